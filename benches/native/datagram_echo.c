// The floor of the datagram rows: an echo that receives and sends many datagrams in one call each. Argument: core.
#include "sockets.h"

enum { BATCH = 32, DATAGRAM_MAX = 64 * 1024 };

static char buffers[BATCH][DATAGRAM_MAX];
static struct mmsghdr messages[BATCH];
static struct iovec parts[BATCH];
static struct sockaddr_storage senders[BATCH];

static int receive(int fd) {
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){buffers[i], DATAGRAM_MAX};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &senders[i], .msg_namelen = sizeof senders[i], .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    return recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    stay_on(atoi(argv[1]));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int port = bind_to_loopback(fd);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    // By level: one batch a turn, as many as a loop would take before it looks at its other sockets.
    struct epoll_event event = {.events = EPOLLIN};
    require(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    serve_at(port);
    for (;;) {
        epoll_wait(epoll, &event, 1, -1);
        int count = receive(fd);
        for (int i = 0; i < count; i++)
            parts[i].iov_len = messages[i].msg_len;
        for (int sent = 0; sent < count;) {
            int more = sendmmsg(fd, messages + sent, count - sent, 0);
            if (more <= 0)
                break;
            sent += more;
        }
    }
}
