//! A filter of system calls, as a container's, for the thread that asks for it and those it starts.

use rustix::io::Errno;

/// The calls that make and drive a ring.
pub(crate) const RING: [libc::c_long; 3] = [
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

const fn statement(code: u32, operand: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k: operand,
    }
}

/// Has this thread's `calls` fail with `errno` from here on.
pub(crate) fn deny(calls: &[libc::c_long], errno: Errno) {
    let load = statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0);
    let refuse = libc::SECCOMP_RET_ERRNO | errno.raw_os_error().unsigned_abs();
    let mut program = vec![load];
    for call in calls {
        let number = u32::try_from(*call).expect("a system call's number");
        let mut is_it = statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number);
        is_it.jf = 1;
        program.push(is_it);
        program.push(statement(libc::BPF_RET | libc::BPF_K, refuse));
    }
    program.push(statement(
        libc::BPF_RET | libc::BPF_K,
        libc::SECCOMP_RET_ALLOW,
    ));
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).expect("a short program"),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: takes numbers alone.
    let is_bound = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(is_bound, 0);
    // SAFETY: the program is alive during the call, and well-formed: each jump leads to one of its statements.
    let is_set = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const filter,
        )
    };
    assert_eq!(is_set, 0, "{}", std::io::Error::last_os_error());
}
