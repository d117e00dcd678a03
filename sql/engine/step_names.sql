-- Which steps are in the index of names: ext/engine/step_names.h.

-- Whether the next row comes behind place 31, or 63.
-- name: step_at_border
SELECT coalesce((SELECT n & 268435423 FROM main._wf_step WHERE {{its_rows}} ORDER BY n DESC LIMIT 1) = 31, 0)

-- Before it does: puts the rows of the first places that are not in the index of names into it, and says so at place 32, if there is one.
-- name: step_name_first all
UPDATE main._wf_step SET named = CASE WHEN n & 31 THEN 1 END
WHERE n > :seq << 28 AND n <= :seq << 28 | 32 AND (named IS NULL) = (n & 31 <> 0)
