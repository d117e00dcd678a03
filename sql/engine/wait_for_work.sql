-- wf_wait.

