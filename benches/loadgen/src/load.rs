//! The clients together: one epoll, and a run in which each client starts its next request when a reply is complete, at
//! once or after a pause.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::arguments::{Address, Arguments, Lifetime};
use crate::client::{Client, Exchange, Progress};
use crate::histogram::Histogram;

/// More than the largest reply that the suite asks for, so that a reply is read in one call where the kernel has it.
const SCRATCH_LEN: usize = 256 * 1024;
/// As many events as there are clients in the widest row.
const EVENTS_MAX: usize = 64;
/// The generator spins. Asleep, it would have to be woken by the server's `send`, and the sender pays
/// for waking an idle core: with one client, a server that needs 11 µs of CPU time for a request was
/// charged 22 µs, half of it for its client's naps. A client on another machine would charge nothing.
const NO_WAIT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};
/// A server that answers nothing for this long has lost a wake-up; say so instead of waiting for ever.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The clients and what they exchange.
#[derive(Debug)]
pub(crate) struct Load {
    /// The one epoll; the data of an event is the client's index.
    poll: OwnedFd,
    clients: Vec<Client>,
    exchange: Exchange,
    lifetime: Lifetime,
    /// How long a client rests between a reply and its next request.
    pause: Duration,
    server: Address,
    scratch: Vec<u8>,
}

impl Load {
    /// Connect all clients; no request is sent yet.
    pub(crate) fn new(arguments: &Arguments) -> io::Result<Self> {
        let mut load = Self {
            poll: epoll::create(CreateFlags::CLOEXEC)?,
            clients: Vec::with_capacity(arguments.clients),
            exchange: Exchange::new(arguments.request_len, arguments.reply_len),
            lifetime: arguments.lifetime,
            pause: arguments.pause,
            server: arguments.address.clone(),
            scratch: vec![0; SCRATCH_LEN],
        };
        for index in 0..arguments.clients {
            let client = load.connect(index)?;
            load.clients.push(client);
        }
        Ok(load)
    }

    /// Start requests until `window` has passed, wait for the last replies, and return all latencies.
    pub(crate) fn run_for(&mut self, window: Duration) -> io::Result<Histogram> {
        let mut latencies = Histogram::default();
        let begin = Instant::now();
        let deadline = begin + window;
        for index in 0..self.clients.len() {
            self.begin(index, begin)?;
        }
        let mut running = self.clients.len();
        // Who rests, and until when: pauses are of one length, so that the first to rest is the first to go on.
        let mut resting = VecDeque::new();
        let mut events = Vec::with_capacity(EVENTS_MAX);
        let mut last_event = begin;
        while running > 0 {
            self.wake_rested(&mut resting)?;
            self.poll(&mut events, &mut last_event)?;
            for event in &events {
                let Ok(index) = usize::try_from({ event.data }.u64()) else {
                    continue;
                };
                let progress = self.clients[index].proceed(&self.exchange, &mut self.scratch)?;
                let Progress::Complete { latency, at } = progress else {
                    continue;
                };
                latencies.record(latency);
                if at + self.pause >= deadline {
                    running -= 1;
                } else if self.pause.is_zero() {
                    self.begin(index, at)?;
                } else {
                    resting.push_back((at + self.pause, index));
                }
            }
        }
        Ok(latencies)
    }

    fn wake_rested(&mut self, resting: &mut VecDeque<(Instant, usize)>) -> io::Result<()> {
        while let Some(&(until, index)) = resting.front() {
            let now = Instant::now();
            if now < until {
                break;
            }
            resting.pop_front();
            self.begin(index, now)?;
        }
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>, last_event: &mut Instant) -> io::Result<()> {
        events.clear();
        let room = rustix::buffer::spare_capacity(events);
        match epoll::wait(&self.poll, room, Some(&NO_WAIT)) {
            Ok(0) if last_event.elapsed() > SILENCE_MAX => {
                Err(io::Error::other("the server was silent for 10 s"))
            }
            Ok(0) | Err(Errno::INTR) => Ok(()),
            Ok(_) => {
                *last_event = Instant::now();
                Ok(())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn begin(&mut self, index: usize, now: Instant) -> io::Result<()> {
        if self.lifetime == Lifetime::PerRequest {
            // The old connection closes here, as its client is replaced.
            self.clients[index] = self.connect(index)?;
        }
        self.clients[index].begin(&self.exchange, now)
    }

    /// Each client has a loopback address of its own: with one for all, a row with a connection per request would soon
    /// run out of ports, which stay taken for a minute after their connection.
    fn connect(&self, index: usize) -> io::Result<Client> {
        let client = match &self.server {
            Address::Unix(path) => Client::connected(path)?,
            Address::Tcp(server) | Address::Udp(server) => {
                let host = u8::try_from(index + 1).map_err(io::Error::other)?;
                Client::connecting(Ipv4Addr::new(127, 0, 1, host), *server)?
            }
        };
        let events = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(
            &self.poll,
            client.stream(),
            EventData::new_u64(index as u64),
            events,
        )?;
        Ok(client)
    }
}
