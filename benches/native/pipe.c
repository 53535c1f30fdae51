// The floor of the row with a pipe: a full pipe written and read in turns. Arguments: core, MiB, repetitions.
#include "repeated.h"

enum { PIPE_LEN = 64 * 1024, MIB = 1024 * 1024 };

static char buffer[PIPE_LEN];

static void transfer(long mib) {
    int ends[2];
    require(pipe(ends) == 0, "pipe");
    for (long i = 0; i < mib * (MIB / PIPE_LEN); i++) {
        require(write(ends[1], buffer, PIPE_LEN) == PIPE_LEN, "write");
        require(read(ends[0], buffer, PIPE_LEN) == PIPE_LEN, "read");
    }
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    stay_on(atoi(argv[1]));
    return measure(transfer, atol(argv[2]), atoi(argv[3]));
}
