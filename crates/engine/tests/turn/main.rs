//! The order of a turn, seen by a host that writes down what it is asked, on a clock that is set by hand.
#![cfg(not(loom))]

mod script;
mod untimed;
mod virtual_time;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use aioxide_engine::clock::{Clock, Instant};
use aioxide_engine::turn::{self, Exit, POLL_SKIP_MAX, TIMER_NEAR, UNTIMED_WORK_MAX};
use rustix::io::Errno;

use script::{BEGIN, Fault, Job, Polled, Script, Step, job, noop, stop};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_turn_goes_inbox_poll_sources_timers_batch_flush() {
    let script = Script::new();
    script.inbox.borrow_mut().push_back(noop("posted"));
    script.schedule_in(Duration::ZERO, job("timer", Script::stop));
    script.schedule(noop("ready"));
    script.will_poll(Polled {
        ready: vec![noop("source"), noop("other source")],
        ..Polled::default()
    });
    script.run_to_stop();
    let batch = ["ready", "posted", "source", "other source", "timer"].map(Step::Run);
    let mut expected = vec![Step::Collect, Step::Poll, Step::Dispatch(2)];
    expected.extend(batch);
    expected.push(Step::Flush);
    assert_eq!(script.steps(), expected);
}

#[test]
fn a_turn_by_itself_runs_one_batch_and_keeps_the_rest() {
    let script = Script::new();
    script.schedule(job("first", |script| script.schedule(noop("second"))));
    turn::run_once(&script).expect("nothing in the script fails");
    assert_eq!(script.ran(), ["first"]);
    turn::run_once(&script).expect("nothing in the script fails");
    assert_eq!(script.ran(), ["second"]);
}

#[test]
fn without_ready_work_the_thread_parks_until_the_earliest_timer() {
    let script = Script::new();
    script.schedule_in(3 * MILLISECOND, stop());
    script.schedule_in(MILLISECOND, noop("early"));
    script.run_to_stop();
    let timeouts: Vec<_> = script
        .steps()
        .into_iter()
        .filter(|step| matches!(step, Step::Park(_)))
        .collect();
    assert_eq!(
        timeouts,
        [
            Step::Park(Some(MILLISECOND)),
            Step::Park(Some(2 * MILLISECOND))
        ]
    );
}

#[test]
fn what_a_batch_schedules_runs_in_the_next_turn() {
    let script = Script::new();
    script.schedule(job("first", |script| {
        script.schedule(job("later", Script::stop));
        script.schedule_in(Duration::ZERO, noop("due at once"));
    }));
    script.schedule(noop("second"));
    script.run_to_stop();
    let expected = [
        Step::Collect,
        Step::Poll,
        Step::Dispatch(0),
        Step::Run("first"),
        Step::Run("second"),
        Step::Flush,
        Step::Collect,
        Step::Run("later"),
        Step::Run("due at once"),
        Step::Flush,
    ];
    assert_eq!(script.steps(), expected);
}

#[test]
fn timers_come_after_sources_in_deadline_order_and_never_early() {
    let script = Script::new();
    for (micros, name) in [
        (30, "30"),
        (10, "10"),
        (20, "20"),
        (10, "10 again"),
        (41, "41"),
    ] {
        script.schedule_in(Duration::from_micros(micros), noop(name));
    }
    script.schedule_in(Duration::from_micros(50), stop());
    let source = vec![noop("source")];
    script.will_poll(Polled {
        ready: source,
        takes: Some(Duration::from_micros(40)),
        ..Polled::default()
    });
    script.run_to_stop();
    let steps = script.steps();
    let flushed = steps
        .iter()
        .position(|step| *step == Step::Flush)
        .expect("a turn has ended");
    assert_eq!(
        steps[3..flushed],
        ["source", "10", "10 again", "20", "30"].map(Step::Run)
    );
    assert_eq!(
        steps[flushed + 2],
        Step::Park(Some(Duration::from_micros(1)))
    );
}

#[test]
fn a_poll_that_returns_early_runs_no_timer() {
    let script = Script::new();
    script.schedule_in(MILLISECOND, stop());
    script.will_poll(Polled {
        takes: Some(MILLISECOND - Duration::from_nanos(1)),
        ..Polled::default()
    });
    script.run_to_stop();
    let expected = [
        Step::Collect,
        Step::Park(Some(MILLISECOND)),
        Step::Dispatch(0),
        Step::Flush,
        Step::Collect,
        Step::Park(Some(Duration::from_nanos(1))),
        Step::Dispatch(0),
        Step::Run("stop"),
        Step::Flush,
    ];
    assert_eq!(script.steps(), expected);
}

#[test]
fn a_deadline_that_has_passed_is_as_good_as_ready_and_never_parks() {
    let script = Script::new();
    script.schedule_at(Instant::from_nanos(BEGIN - 5), stop());
    script.run_to_stop();
    assert!(
        !script
            .steps()
            .iter()
            .any(|step| matches!(step, Step::Park(_)))
    );
}

#[test]
fn a_deadline_that_is_never_reached_parks_without_a_timeout() {
    let script = Script::new();
    script.schedule_at(Instant::NEVER, noop("never"));
    script.will_poll(Polled {
        ready: vec![stop()],
        ..Polled::default()
    });
    script.run_to_stop();
    assert_eq!(script.steps()[1], Step::Park(None));
    assert_eq!(script.queues.borrow().timers.len(), 1);
}

#[test]
fn without_work_and_timers_the_thread_parks_without_a_timeout() {
    let script = Script::new();
    script.will_poll(Polled {
        ready: vec![stop()],
        takes: Some(MILLISECOND),
        ..Polled::default()
    });
    script.run_to_stop();
    let expected = [
        Step::Collect,
        Step::Park(None),
        Step::Dispatch(1),
        Step::Run("stop"),
        Step::Flush,
    ];
    assert_eq!(script.steps(), expected);
}

#[test]
fn a_cancelled_timer_never_fires() {
    let script = Script::new();
    let timer = noop("cancelled");
    script.schedule_in(MILLISECOND, timer.clone());
    script.schedule_in(2 * MILLISECOND, stop());
    timer.is_cancelled.set(true);
    drop(script.queues.borrow_mut().timers.note_cancelled());
    script.run_to_stop();
    assert_eq!(script.ran(), ["stop"]);
}

/// Puts itself back into the ready queue until it has run `count` times; each run takes `nanos`.
fn chain(count: usize, nanos: u64) -> Job {
    let left = Rc::new(Cell::new(count));
    let itself: Rc<RefCell<Option<Job>>> = Rc::default();
    let next = Rc::clone(&itself);
    let link = job("link", move |script| {
        script.clock.advance(Duration::from_nanos(nanos));
        left.set(left.get() - 1);
        if left.get() == 0 {
            script.stop();
        }
        let link = next.borrow().clone();
        link.into_iter().for_each(|link| script.schedule(link));
    });
    itself.replace(Some(link.clone()));
    link
}

#[test]
fn ready_work_skips_polls_but_never_for_longer_than_the_bound() {
    let script = Script::new();
    let nanos = 700;
    let count = 1_000;
    script.schedule(chain(count, nanos));
    script.run_to_stop();
    let mut links_since_poll = 0;
    let mut polls = 0;
    for step in script.steps() {
        match step {
            Step::Poll => (links_since_poll, polls) = (0, polls + 1),
            Step::Run(_) => links_since_poll += 1,
            _ => {}
        }
        let since_poll = Duration::from_nanos(links_since_poll * nanos);
        let bound = POLL_SKIP_MAX + Duration::from_nanos(nanos * (UNTIMED_WORK_MAX as u64 + 1));
        assert!(since_poll < bound, "no poll for {since_poll:?}");
    }
    let expected = Duration::from_nanos(nanos * count as u64).as_nanos() / POLL_SKIP_MAX.as_nanos();
    assert!(
        (expected - 1..=expected + 1).contains(&polls),
        "{polls} polls, not some {expected}"
    );
}

#[test]
fn a_turn_that_took_too_long_is_followed_by_a_poll() {
    let script = Script::new();
    script.flush_takes.set(POLL_SKIP_MAX);
    script.schedule(chain(10, 0));
    script.run_to_stop();
    assert_eq!(
        script
            .steps()
            .iter()
            .filter(|step| **step == Step::Poll)
            .count(),
        10
    );
}

#[test]
fn a_source_that_is_ready_during_a_chain_of_ready_work_gets_its_turn() {
    let script = Script::new();
    script.will_poll(Polled::default());
    script.will_poll(Polled {
        ready: vec![stop()],
        ..Polled::default()
    });
    script.schedule(chain(usize::MAX, 1_000));
    script.run_to_stop();
    let ran = script.ran();
    assert_eq!(ran[ran.len() - 1], "stop");
    assert!(
        ran.len() <= 52 + UNTIMED_WORK_MAX,
        "after {} links",
        ran.len()
    );
}

#[test]
fn timers_that_are_due_run_also_when_the_poll_is_skipped() {
    let script = Script::new();
    script.schedule_in(Duration::from_micros(10), noop("timer"));
    script.schedule(chain(20, 1_000));
    script.run_to_stop();
    let ran = script.ran();
    assert_eq!(
        ran.iter().position(|name| *name == "timer"),
        Some(11),
        "after ten links and the one before it"
    );
}

#[test]
fn a_timer_that_comes_near_during_quick_turns_is_late_by_little() {
    let script = Script::new();
    let nanos = 1_000;
    let delay = TIMER_NEAR + Duration::from_micros(20);
    script.schedule_in(delay, noop("timer"));
    script.schedule(chain(2_000, nanos));
    script.run_to_stop();
    let links = script.ran().iter().position(|name| *name == "timer");
    let on_time = usize::try_from(delay.as_nanos()).expect("a short time") / 1_000;
    assert_eq!(
        links,
        Some(on_time + 1),
        "the turn that follows the deadline"
    );
}

/// Work that sets a timer for now, which does the same, so many times.
fn chain_of_timers(count: usize) -> Job {
    job("link", move |script| {
        script.clock.advance(Duration::from_nanos(100));
        if count == 1 {
            return script.stop();
        }
        script.queues.borrow_mut().seen = script.clock.now();
        script.schedule_in(Duration::ZERO, chain_of_timers(count - 1));
    })
}

#[test]
fn a_timer_for_a_time_that_was_seen_runs_in_the_next_turn_and_needs_no_clock() {
    let script = Script::new();
    let turns = 10 * UNTIMED_WORK_MAX;
    script.schedule(chain_of_timers(turns));
    script.schedule_in(2 * TIMER_NEAR, noop("far"));
    script.run_to_stop();
    assert_eq!(script.ran().len(), turns);
    let readings = script.clock_asked.get();
    assert!(readings <= turns / UNTIMED_WORK_MAX * 2, "{readings}");
}

#[test]
fn timers_for_times_that_were_seen_all_run_in_the_next_turn() {
    let script = Script::new();
    script.schedule(chain(4, 100));
    script.schedule(job("sets", |script| {
        script.clock.advance(Duration::from_nanos(100));
        script.schedule(noop("ready"));
        for name in ["first", "second", "third"] {
            script.queues.borrow_mut().seen = script.clock.now();
            script.schedule_in(Duration::ZERO, noop(name));
        }
    }));
    script.run_to_stop();
    let ran = script.ran();
    let ready = ran.iter().position(|name| *name == "ready");
    let ready = ready.expect("it ran");
    assert_eq!(ran[ready..ready + 4], ["ready", "first", "second", "third"]);
}

#[test]
fn a_timer_that_is_due_at_once_runs_in_the_next_turn_also_where_the_time_is_not_known() {
    let script = Script::new();
    script.schedule(chain(3, 100));
    script.schedule(job("slow", |script| {
        script.schedule(job("sets", |script| {
            script.clock.advance(2 * TIMER_NEAR);
            script.queues.borrow_mut().times_next = true;
            script.schedule_in(Duration::ZERO, noop("timer"));
            script.schedule(noop("next turn"));
        }));
    }));
    script.run_to_stop();
    let ran = script.ran();
    let next = ran
        .iter()
        .position(|name| *name == "next turn")
        .expect("it ran");
    assert_eq!(ran[next + 1], "timer", "{ran:?}");
}

#[test]
fn work_that_turns_slow_delays_a_poll_by_no_more_than_the_bound() {
    let script = Script::new();
    let slow = Rc::new(Cell::new(0));
    let count = Rc::clone(&slow);
    script.schedule(chain(200, 100));
    script.run_to_stop();
    script.steps();
    script.queues.borrow_mut().is_stopping = false;
    let itself: Rc<RefCell<Option<Job>>> = Rc::default();
    let next = Rc::clone(&itself);
    let link = job("slow", move |script| {
        count.set(count.get() + 1);
        // Quick at first, so that the clock is left alone.
        let takes = if count.get() < 100 { 100 } else { 1_000_000 };
        script.clock.advance(Duration::from_nanos(takes));
        if count.get() == 140 {
            script.stop();
        }
        let link = next.borrow().clone();
        link.into_iter().for_each(|link| script.schedule(link));
    });
    itself.replace(Some(link.clone()));
    drop(script.queues.borrow_mut().ready.take());
    script.schedule(link);
    script.run_to_stop();
    let steps = script.steps();
    let first = steps.iter().rposition(|step| *step == Step::Poll);
    let polls = steps.iter().filter(|step| **step == Step::Poll).count();
    assert!(polls >= 40 - UNTIMED_WORK_MAX, "{polls} polls");
    assert!(first.is_some_and(|first| steps.len() - first <= 4));
}

#[test]
fn a_loop_told_to_stop_beforehand_makes_exactly_one_turn_and_does_not_sleep() {
    let script = Script::new();
    script.stop();
    script.schedule(job("ready", |script| script.schedule(noop("next turn"))));
    script.schedule_in(MILLISECOND, noop("timer"));
    script.will_poll(Polled {
        ready: vec![noop("source")],
        ..Polled::default()
    });
    script.run_to_stop();
    let ran = ["ready", "source"].map(Step::Run);
    let expected = [Step::Collect, Step::Poll, Step::Dispatch(1)]
        .into_iter()
        .chain(ran)
        .chain([Step::Flush]);
    assert_eq!(script.steps(), expected.collect::<Vec<_>>());
    assert_eq!(script.queued(), ["next turn"]);
}

#[test]
fn a_loop_told_to_stop_beforehand_does_not_sleep_for_want_of_work_either() {
    let script = Script::new();
    script.stop();
    script.run_to_stop();
    assert_eq!(
        script.steps(),
        [Step::Collect, Step::Poll, Step::Dispatch(0), Step::Flush]
    );
}

#[test]
fn stopping_ends_the_loop_after_the_whole_batch_and_its_flush() {
    let script = Script::new();
    script.schedule(stop());
    script.schedule(job("rest of the batch", |script| {
        script.schedule(noop("next turn"))
    }));
    script.run_to_stop();
    let steps = script.steps();
    assert_eq!(
        steps[steps.len() - 2..],
        [Step::Run("rest of the batch"), Step::Flush]
    );
    assert_eq!(script.queued(), ["next turn"]);
}

#[test]
fn a_loop_that_runs_again_goes_on_with_what_was_queued() {
    let script = Script::new();
    script.schedule(stop());
    script.schedule(job("first", |script| script.schedule(stop())));
    script.run_to_stop();
    script.queues.borrow_mut().is_stopping = false;
    script.run_to_stop();
    assert_eq!(script.ran(), ["stop", "first", "stop"]);
}

#[test]
fn an_error_of_the_host_leaves_the_rest_of_the_batch_queued_in_order() {
    let script = Script::new();
    script.schedule(job("before", |script| script.schedule(noop("next turn"))));
    script.schedule(Job {
        action: Rc::new(|_script| Err(Fault("exit"))),
        ..noop("fault")
    });
    script.schedule(noop("one"));
    script.schedule(noop("two"));
    let exit = turn::run(&script).expect_err("the fault ends the loop");
    assert!(matches!(exit, Exit::Host(Fault("exit"))), "{exit:?}");
    assert_eq!(script.ran(), ["before", "fault"]);
    assert_eq!(script.queued(), ["one", "two", "next turn"]);
    script.schedule(stop());
    script.run_to_stop();
    assert_eq!(script.ran(), ["one", "two", "next turn", "stop"]);
}

#[test]
fn a_poll_that_the_kernel_refuses_ends_the_loop_and_loses_no_work() {
    let script = Script::new();
    script.schedule(noop("ready"));
    script.schedule_in(MILLISECOND, noop("timer"));
    script.will_poll(Polled {
        error: Some(Errno::BADF),
        ..Polled::default()
    });
    let exit = turn::run(&script).expect_err("the kernel refuses");
    assert!(matches!(exit, Exit::Poll(Errno::BADF)), "{exit:?}");
    assert_eq!(script.queued(), ["ready"]);
    assert_eq!(script.queues.borrow().timers.len(), 1);
}

#[test]
fn work_that_empties_the_queues_ends_its_batch_quietly() {
    let script = Script::new();
    script.schedule(job("closes", |script| {
        let dropped = script.queues.borrow_mut().ready.take();
        drop(dropped);
        script.stop();
    }));
    script.schedule(noop("dropped"));
    script.run_to_stop();
    assert_eq!(script.ran(), ["closes"]);
}
