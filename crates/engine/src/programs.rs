//! Starting another program, in a child that shares this process's memory until its `exec`, as a `vfork` does.
//!
//! No page tables are copied, however large the process; what fails in the child is told through the shared
//! memory, not through a pipe; and the child's descriptor (pidfd) is made together with the child, so that it can
//! be nobody else's. The calling thread waits for the `exec`. Any thread.

use std::ffi::CString;
use std::os::fd::{OwnedFd, RawFd};

use rustix::io::Errno;

use crate::sys::spawn;

/// What is to be started, and what is different for it than for this process.
#[derive(Debug)]
pub struct Program {
    /// Where the program may be: the first of these that can be executed is.
    pub paths: Vec<CString>,
    /// The program's arguments, the first of which is the name that it is told.
    pub arguments: Vec<CString>,
    /// `NAME=value` each; None for this process's own.
    pub environment: Option<Vec<CString>>,
    /// Its working directory; None for this process's own.
    pub directory: Option<CString>,
    /// Its standard input, output and error, each above 2; None for this process's own.
    pub standard: [Option<RawFd>; 3],
    /// Its process group, 0 for one of its own; None for this process's.
    pub group: Option<i32>,
    /// It gets no descriptor but the standard ones.
    pub closes_others: bool,
    /// What Python ignores (`SIGPIPE`, `SIGXFSZ`) ends it.
    pub restores_signals: bool,
    /// It leads a session of its own.
    pub begins_session: bool,
}

/// A program that was started.
#[derive(Debug)]
pub struct Started {
    /// The number of its process, which the caller has to reap.
    pub pid: i32,
    /// Its process; None where the kernel has no such descriptors, or does not wait for them (before 5.4).
    pub pidfd: Option<OwnedFd>,
}

/// How far a start has come that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was started: this kernel, or a filter of its calls, does not allow for starting in this way.
    Way,
    /// The process could not be made, or not be prepared.
    Process,
    /// Its working directory could not be entered.
    Directory,
    /// None of the paths could be executed.
    Execution,
}

/// Why nothing was started. Whatever there was of a child is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What was refused.
    pub stage: Stage,
    /// Why.
    pub errno: Errno,
}

/// Whether the kernel has refused this way of starting before, as it will again.
#[must_use]
pub fn is_refused() -> bool {
    spawn::is_refused()
}

impl Program {
    /// Starts the program and returns once it runs.
    ///
    /// # Errors
    /// The kernel's first refusal. Of several paths it is the first that was not for want of a file.
    pub fn start(&self) -> Result<Started, Refused> {
        // The child would have one of them in the place of another before it is copied.
        if self.standard.iter().flatten().any(|fd| *fd <= 2) {
            return Err(Refused {
                stage: Stage::Way,
                errno: Errno::INVAL,
            });
        }
        spawn::start(self)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;

    use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

    use super::*;

    fn texts(texts: &[&str]) -> Vec<CString> {
        let texts = texts.iter();
        texts
            .map(|text| CString::new(*text).expect("no zero"))
            .collect()
    }

    fn shell(command: &str) -> Program {
        Program {
            paths: texts(&["/bin/sh"]),
            arguments: texts(&["sh", "-c", command]),
            environment: None,
            directory: None,
            standard: [None; 3],
            group: None,
            closes_others: true,
            restores_signals: true,
            begins_session: false,
        }
    }

    fn status_of(started: &Started) -> i32 {
        let pid = Pid::from_raw(started.pid).expect("a process");
        let (_pid, status) = waitpid(Some(pid), WaitOptions::empty())
            .expect("wait")
            .expect("ended");
        status.exit_status().expect("exited")
    }

    /// What the program writes to its standard output.
    fn output_of(mut program: Program) -> String {
        let (reader, writer) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        program.standard[1] = Some(writer.as_raw_fd());
        let started = program.start().expect("started");
        drop(writer);
        let mut output = String::new();
        std::fs::File::from(reader)
            .read_to_string(&mut output)
            .expect("text");
        assert_eq!(status_of(&started), 0);
        output
    }

    #[test]
    fn a_program_runs_with_its_arguments_and_is_the_callers_to_reap() {
        let started = shell("exit 7").start().expect("started");
        assert_eq!(status_of(&started), 7);
    }

    #[test]
    fn the_descriptor_is_that_of_the_process() {
        let started = shell("exit 9").start().expect("started");
        let pidfd = started.pidfd.as_ref().expect("a descriptor");
        let flags = rustix::io::fcntl_getfd(pidfd).expect("open");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let status = waitid(
            WaitId::PidFd(std::os::fd::AsFd::as_fd(pidfd)),
            WaitIdOptions::EXITED,
        )
        .expect("wait")
        .expect("ended");
        assert_eq!(status.exit_status(), Some(9));
    }

    #[test]
    fn the_first_path_that_can_be_executed_is() {
        let mut program = shell("exit 3");
        program.paths = texts(&["/nowhere/sh", "/dev/null/sh", "/bin/sh", "/bin/false"]);
        assert_eq!(status_of(&program.start().expect("started")), 3);
    }

    #[test]
    fn what_is_not_for_want_of_a_file_is_the_reason() {
        let mut program = shell("");
        program.paths = texts(&["/nowhere/sh", "/", "/nowhere/else"]);
        let refused = program.start().expect_err("no program");
        assert_eq!(
            refused,
            Refused {
                stage: Stage::Execution,
                errno: Errno::ACCESS
            }
        );
        program.paths = texts(&["/nowhere/sh"]);
        assert_eq!(program.start().expect_err("no file").errno, Errno::NOENT);
    }

    #[test]
    fn nothing_is_left_of_a_start_that_failed() {
        let mut program = shell("");
        program.directory = Some(CString::new("/nowhere").expect("no zero"));
        for _ in 0..100 {
            let refused = program.start().expect_err("no directory");
            assert_eq!(refused.stage, Stage::Directory);
            assert_eq!(refused.errno, Errno::NOENT);
        }
        let zombies = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        assert_eq!(zombies.trim(), "");
    }

    #[test]
    fn it_has_the_directory_and_the_environment_that_it_was_given() {
        let mut program = shell("pwd; echo $GIVEN$HOME");
        program.directory = Some(CString::new("/").expect("no zero"));
        program.environment = Some(texts(&["GIVEN=42"]));
        assert_eq!(output_of(program), "/\n42\n");
    }

    #[test]
    fn it_gets_other_descriptors_only_if_it_is_to() {
        let (reader, _writer) = rustix::pipe::pipe().expect("inheritable");
        let command = format!("test -e /proc/self/fd/{}", reader.as_raw_fd());
        assert_eq!(status_of(&shell(&command).start().expect("started")), 1);
        let mut program = shell(&command);
        program.closes_others = false;
        assert_eq!(status_of(&program.start().expect("started")), 0);
    }

    #[test]
    fn it_dies_of_a_broken_pipe_and_blocks_what_the_thread_does() {
        // Rust ignores SIGPIPE in whatever it starts; the shell tells a death from a signal by 128.
        let mut program = shell("sh -c 'kill -PIPE $$'; echo $?");
        assert_eq!(output_of(program), "141\n");
        program = shell("sh -c 'kill -PIPE $$'; echo $?");
        program.restores_signals = false;
        assert_eq!(output_of(program), "0\n");
        let own = std::fs::read_to_string("/proc/thread-self/status").expect("a status");
        let own = own.lines().find(|line| line.starts_with("SigBlk"));
        let blocked = output_of(shell("grep SigBlk /proc/self/status"));
        assert_eq!(Some(blocked.trim_end()), own);
    }

    #[test]
    fn it_leads_a_session_or_a_group_if_it_is_to() {
        let ids = "cut -d' ' -f1,5,6 /proc/$$/stat";
        let mut program = shell(ids);
        program.begins_session = true;
        let output = output_of(program);
        let numbers: Vec<&str> = output.split_whitespace().collect();
        assert!(
            numbers.iter().all(|number| *number == numbers[0]),
            "{output}"
        );
        let mut program = shell(ids);
        program.group = Some(0);
        let output = output_of(program);
        let numbers: Vec<&str> = output.split_whitespace().collect();
        assert_eq!(numbers[0], numbers[1]);
        assert_ne!(numbers[0], numbers[2]);
    }

    #[test]
    fn a_standard_descriptor_in_the_place_of_another_is_refused() {
        let mut program = shell("");
        program.standard[1] = Some(2);
        assert_eq!(program.start().expect_err("refused").stage, Stage::Way);
    }
}
