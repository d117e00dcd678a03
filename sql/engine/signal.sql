-- Signals: messages to one workflow.

-- name: signal_add
INSERT INTO main._wf_signal(n, wf, name, key, at, payload) VALUES({{next_signal}}, :seq, :name, :key, :now, :payload)

-- name: signal_of_key
SELECT 1 FROM main._wf_signal WHERE wf = :seq AND name = :name AND key = :key

-- Whether an open wait of the workflow is for this signal.
-- name: signal_awaited
SELECT 1 FROM main._wf_step AS s, {{awaited}} WHERE s.status = 'waiting' AND s.wf = :seq AND k.key = 'signal' AND t.value = :name LIMIT 1

-- The earliest signal in line of any of the names, if it arrived in time.
-- name: signal_next
SELECT s.n, s.at
FROM _wf.json_each(:topics) AS t CROSS JOIN main._wf_signal AS s
  ON s.n = (SELECT n FROM main._wf_signal WHERE wf = :seq AND name = t.value AND taken IS NULL AND (:due IS NULL OR at <= :due)
              AND (:taken IS NULL OR n NOT IN (SELECT value FROM _wf.json_each(:taken)))
            ORDER BY n LIMIT 1)
ORDER BY s.n LIMIT 1

-- name: signal_show
SELECT name, at, payload FROM main._wf_signal WHERE n = :n

-- name: signal_take
UPDATE main._wf_signal SET taken = :step WHERE n = :n
