// The floor of the rows that start processes: posix_spawn, then wait. Arguments: core, count, repetitions, bytes to hold.
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "repeated.h"

extern char **environ;

static void spawn(long count) {
    char *const arguments[] = {"true", NULL};
    for (long i = 0; i < count; i++) {
        pid_t child;
        int status;
        require(posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environ) == 0, "posix_spawnp");
        require(waitpid(child, &status, 0) == child && status == 0, "waitpid");
    }
}

int main(int argc, char **argv) {
    if (argc != 5)
        return 2;
    stay_on(atoi(argv[1]));
    size_t held = strtoull(argv[4], NULL, 10);
    if (held) {
        char *block = mmap(NULL, held, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        require(block != MAP_FAILED, "mmap");
        // Where the kernel knows no huge pages, this fails, and means nothing.
        madvise(block, held, MADV_NOHUGEPAGE);
        for (size_t at = 0; at < held; at += 4096)
            block[at] = 1;
    }
    return measure(spawn, atol(argv[2]), atoi(argv[3]));
}
