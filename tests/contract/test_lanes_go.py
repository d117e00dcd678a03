"""A lane goes with its last workflow; queues that have nothing are not shown."""


def lanes(db):
    return db.column("SELECT partition FROM _wf_lane ORDER BY lane")


def test_lanes_go_with_their_workflows(db):
    for n in range(5):
        db.wf_start("job", id="w%d" % n, partition="p%d" % n)
        db.wf_complete("w%d" % n)
    db.wf_start("job", id="live", partition="p0")
    db.wf_purge(older_than=0, now="2099-01-01")
    assert lanes(db) == ["p0"]
    db.wf_delete("live", force=True)
    assert lanes(db) == []
    assert db.wf_check() is None


def test_a_lane_with_one_that_has_ended_stays(db):
    db.wf_start("job", id="w1")
    db.wf_start("job", id="w2")
    db.wf_complete("w1")
    db.wf_delete("w2", force=True)
    assert lanes(db) == [""]
    db.wf_delete("w1")
    assert lanes(db) == []


def test_a_queue_without_workflows_and_settings_is_not_shown(db):
    db.wf_start("job", id="w1", queue="q1")
    db.wf_queue("q2", '{"concurrency":null}')
    assert db.column("SELECT queue FROM wf_queues") == ["q1"]
    db.wf_delete("w1", force=True)
    assert db.column("SELECT queue FROM wf_queues") == []
    db.wf_queue("q2", '{"concurrency":1}')
    assert db.column("SELECT queue FROM wf_queues") == ["q2"]
    db.wf_queue("q2", '{"concurrency":null}')
    assert db.column("SELECT queue FROM wf_queues") == []


def test_an_old_version_of_a_definition_goes_with_its_last_workflow(db):
    db.wf_define("d", '{"steps":[{"name":"a","await":"go"}]}')
    db.wf_start("d", id="w1")
    db.wf_define("d", '{"steps":[{"name":"b","await":"go"}]}')
    db.wf_start("d", id="w2")
    db.wf_delete("w1", force=True)
    assert db.rows("SELECT version, current FROM wf_definitions") == [(2, 1)]
    db.wf_delete("w2", force=True)
    assert db.rows("SELECT version, current FROM wf_definitions") == [(2, 1)]
    db.wf_start("d", id="w3")
    db.wf_undefine("d")
    db.wf_delete("w3", force=True)
    assert db.rows("SELECT version, current FROM wf_definitions") == []
