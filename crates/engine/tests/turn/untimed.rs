//! Turns that leave the clock alone: in any program, polls and timers are late by no more than the bound says.
//!
//! A program is a list of pieces of work. Each takes its time, schedules some of the next, may set a timer and may watch a
//! source; what the loop did is judged afterwards, by the time at which each turn began.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use aioxide_engine::clock::{Clock, Instant};
use aioxide_engine::turn::{POLL_SKIP_MAX, TIMER_NEAR, UNTIMED_WORK_MAX};
use proptest::prelude::*;

use crate::script::{Job, Polled, Script, Step, job};

/// What one piece of work does.
#[derive(Clone, Debug)]
struct Piece {
    takes: Duration,
    /// How many more pieces it schedules.
    schedules: usize,
    /// In how long a timer is due that it sets, if it sets one.
    sets: Option<Duration>,
    /// Whether the loop's owner does not know how near that is, as with `call_at`.
    sets_blindly: bool,
    watches: bool,
}

fn piece() -> impl Strategy<Value = Piece> {
    let takes = prop_oneof![
        12 => 0u64..2_000,
        3 => 2_000u64..60_000,
        1 => 60_000u64..3_000_000,
    ];
    let schedules = prop_oneof![6 => Just(1), 2 => Just(0), 2 => Just(2), 1 => 3usize..12];
    let delay = prop_oneof![
        1 => Just(0),
        3 => 0u64..100_000,
        2 => 900_000u64..1_100_000,
        3 => 1_000_000u64..5_000_000,
    ];
    let sets = prop::option::weighted(0.1, delay);
    (
        takes,
        schedules,
        sets,
        any::<bool>(),
        prop::bool::weighted(0.02),
    )
        .prop_map(|(takes, schedules, sets, sets_blindly, watches)| Piece {
            takes: Duration::from_nanos(takes),
            schedules,
            sets: sets.map(Duration::from_nanos),
            sets_blindly,
            watches,
        })
}

/// Pieces that are all quick, in turns that are all short: the clock is left alone for most of the time.
fn quick_piece() -> impl Strategy<Value = Piece> {
    piece().prop_map(|piece| Piece {
        takes: piece.takes.min(Duration::from_micros(2)),
        schedules: piece.schedules.min(2),
        ..piece
    })
}

/// A timer that ran.
struct Fired {
    /// How many steps had been noted when it was set.
    set_at: usize,
    deadline: Instant,
    /// How many steps had been noted when it ran.
    ran_at: usize,
}

/// What is left to run, and what is to be judged.
#[derive(Default)]
struct Program {
    pieces: RefCell<VecDeque<Piece>>,
    timers_left: Cell<usize>,
    fired: RefCell<Vec<Fired>>,
    /// How many steps had been noted when a source was watched, for each.
    watched_at: RefCell<Vec<usize>>,
}

impl Program {
    /// Work that does what the next piece says.
    fn work(self: &Rc<Self>) -> Job {
        let program = Rc::clone(self);
        job("piece", move |script| {
            let next = program.pieces.borrow_mut().pop_front();
            if let Some(piece) = next {
                program.run(script, &piece);
            }
            program.go_on_or_stop(script);
        })
    }

    fn run(self: &Rc<Self>, script: &Script, piece: &Piece) {
        script.clock.advance(piece.takes);
        (0..piece.schedules).for_each(|_| script.schedule(self.work()));
        if let Some(delay) = piece.sets {
            self.set_timer(script, delay, piece.sets_blindly);
        }
        if piece.watches {
            script.queues.borrow_mut().polls_next = true;
            self.watched_at.borrow_mut().push(script.steps_noted());
        }
    }

    fn set_timer(self: &Rc<Self>, script: &Script, delay: Duration, is_blind: bool) {
        let nanos = u64::try_from(delay.as_nanos()).expect("a short time");
        let deadline = Instant::from_nanos(script.clock.now().as_nanos() + nanos);
        let set_at = script.steps_noted();
        let program = Rc::clone(self);
        self.timers_left.set(self.timers_left.get() + 1);
        let timer = job("timer", move |script| {
            program.timers_left.set(program.timers_left.get() - 1);
            program.fired.borrow_mut().push(Fired {
                set_at,
                deadline,
                ran_at: script.steps_noted(),
            });
            program.go_on_or_stop(script);
        });
        if delay.is_zero() && !is_blind {
            script.queues.borrow_mut().seen = deadline;
        } else {
            script.queues.borrow_mut().times_next |= is_blind || delay <= TIMER_NEAR;
        }
        script.schedule_at(deadline, timer);
    }

    /// Keeps the loop from waiting for what never comes.
    fn go_on_or_stop(self: &Rc<Self>, script: &Script) {
        let is_waiting = script.queues.borrow().ready.is_empty() && self.timers_left.get() == 0;
        if is_waiting && self.pieces.borrow().is_empty() {
            script.stop();
        } else if is_waiting {
            script.schedule(self.work());
        }
    }
}

/// One turn of the loop, as it was noted.
#[derive(Debug)]
struct Turn {
    /// The place of its first step.
    first: usize,
    began: Instant,
    /// When it polled, or woke from that.
    polled: Option<Instant>,
    /// When its batch began: the turn knew this time, or would have if it had read the clock.
    batch_began: Instant,
    ended: Instant,
    work: usize,
}

fn turns(script: &Script) -> Vec<Turn> {
    let times = script.noted_at.take();
    let mut turns: Vec<Turn> = Vec::new();
    for (place, (step, time)) in script.steps().into_iter().zip(times).enumerate() {
        if step == Step::Collect {
            turns.push(Turn {
                first: place,
                began: time,
                polled: None,
                batch_began: time,
                ended: time,
                work: 0,
            });
        }
        let turn = turns.last_mut().expect("a turn begins with its inbox");
        turn.ended = time;
        match step {
            Step::Dispatch(_) => (turn.polled, turn.batch_began) = (Some(time), time),
            Step::Run(_) => turn.work += 1,
            _ => {}
        }
    }
    turns
}

/// Runs a program to its end. `sources` says after how many polls one reports a source.
fn play(pieces: Vec<Piece>, sources: &[usize]) -> (Rc<Program>, Vec<Turn>) {
    let script = Script::new();
    let program = Rc::new(Program {
        pieces: RefCell::new(pieces.into()),
        ..Program::default()
    });
    for polls_before in sources {
        (0..*polls_before).for_each(|_| script.will_poll(Polled::default()));
        script.will_poll(Polled {
            ready: vec![program.work()],
            ..Polled::default()
        });
    }
    script.schedule(program.work());
    script.run_to_stop();
    let turns = turns(&script);
    (program, turns)
}

/// How much work ran at most between the first turn for which a poll was overdue and the poll.
fn work_before_poll_max(turns: &[Turn]) -> usize {
    let (mut polled, mut work, mut work_max) = (Instant::ORIGIN, 0, 0);
    for turn in turns {
        if let Some(time) = turn.polled {
            (polled, work) = (time, 0);
        } else if turn.began.since(polled) >= POLL_SKIP_MAX {
            work += turn.work;
        }
        work_max = work.max(work_max);
    }
    work_max
}

/// How much work ran in turns that began when the timer was due, before the turn that it ran in.
fn work_before_timer(turns: &[Turn], timer: &Fired) -> usize {
    let ran_in = turn_of(turns, timer.ran_at);
    turns[..ran_in]
        .iter()
        .filter(|turn| turn.first >= timer.set_at && turn.began >= timer.deadline)
        .map(|turn| turn.work)
        .sum()
}

/// The place of the turn in which a step was taken, given how many steps had been noted by then.
fn turn_of(turns: &[Turn], noted: usize) -> usize {
    turns.partition_point(|turn| turn.first < noted) - 1
}

fn programs(
    piece: impl Strategy<Value = Piece>,
) -> impl Strategy<Value = (Vec<Piece>, Vec<usize>)> {
    let sources = prop::collection::vec(0usize..5, 0..8);
    (prop::collection::vec(piece, 1..150), sources)
}

proptest! {
    #[test]
    fn an_overdue_poll_waits_for_no_more_work_than_the_bound((pieces, sources) in programs(piece())) {
        let (_, turns) = play(pieces, &sources);
        prop_assert!(work_before_poll_max(&turns) <= UNTIMED_WORK_MAX);
    }

    #[test]
    fn a_source_that_is_watched_is_asked_for_in_the_next_turn((pieces, sources) in programs(piece())) {
        let (program, turns) = play(pieces, &sources);
        for noted in program.watched_at.take() {
            let next = turns.get(turn_of(&turns, noted) + 1);
            prop_assert!(next.is_none_or(|turn| turn.polled.is_some()));
        }
    }

    #[test]
    fn a_timer_is_never_early_and_waits_for_no_more_work_than_the_bound(
        (pieces, sources) in programs(piece())
    ) {
        let (program, turns) = play(pieces, &sources);
        for timer in program.fired.take() {
            let turn = &turns[turn_of(&turns, timer.ran_at)];
            prop_assert!(turn.batch_began >= timer.deadline);
            prop_assert!(work_before_timer(&turns, &timer) <= UNTIMED_WORK_MAX);
        }
    }

    #[test]
    fn where_turns_are_short_a_timer_runs_in_the_first_that_begins_at_its_deadline(
        (pieces, sources) in programs(quick_piece())
    ) {
        let work_takes_max = pieces.iter().map(|piece| piece.takes).max().unwrap_or_default();
        let (program, turns) = play(pieces, &sources);
        let turn_takes_max = turns.iter().map(|turn| turn.ended.since(turn.batch_began)).max();
        let unseen_max = turn_takes_max.unwrap_or_default() + work_takes_max * UNTIMED_WORK_MAX as u32;
        prop_assume!(unseen_max < TIMER_NEAR);
        for timer in program.fired.take() {
            prop_assert_eq!(work_before_timer(&turns, &timer), 0);
        }
    }
}
