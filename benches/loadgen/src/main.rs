//! The load generator of the benchmarks: one thread, one epoll, closed-loop clients, every reply checked.
//!
//! It warms the server up, says `ready`, waits for a line on its standard input, measures one window and prints one
//! line of JSON, and keeps its connections until the next line, or the end of input. The caller reads the server's CPU time at the two points in between, when no request is in flight, so
//! that CPU time and requests cover exactly the same work.

mod arguments;
mod client;
mod datagrams;
mod histogram;
mod load;
mod report;

use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arguments::{Address, Arguments};
use datagrams::Datagrams;
use histogram::Histogram;
use load::Load;
use report::Report;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The caller shows this line as the reason why a row has no figure.
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1)).map_err(io::Error::other)?;
    if let Some(core) = arguments.core {
        pin_to(core)?;
    }
    match arguments.address {
        Address::Udp(server) => {
            let mut load = Datagrams::new(&arguments, server)?;
            measure(&arguments, |window| load.run_for(window))
        }
        Address::Tcp(_) | Address::Unix(_) => {
            let mut load = Load::new(&arguments)?;
            measure(&arguments, |window| load.run_for(window))
        }
    }
}

/// Warm the server up, wait for the caller, measure one window and print what was seen.
fn measure(
    arguments: &Arguments,
    mut run_for: impl FnMut(Duration) -> io::Result<Histogram>,
) -> io::Result<()> {
    run_for(arguments.warm_up)?;

    println!("ready");
    io::stdout().flush()?;
    io::stdin().lock().read_line(&mut String::new())?;

    let begin = Instant::now();
    let latencies = run_for(arguments.window)?;
    let report = Report {
        elapsed: begin.elapsed(),
        latencies,
    };
    println!("{report}");
    io::stdout().flush()?;
    // The connections stay until the caller has read the server's CPU time, which is not to include their end.
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// Keep this process on one core, so that it never competes with the server's.
fn pin_to(core: usize) -> io::Result<()> {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    Ok(rustix::thread::sched_setaffinity(None, &cores)?)
}
