// The sockets that the servers of the floor listen on, and the connections that are waiting there.
#ifndef SOCKETS_H
#define SOCKETS_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "served.h"

enum { BACKLOG = 1024, EVENTS_MAX = 64 };

// Binds to a free port of the loopback address and returns the port.
static inline int bind_to_loopback(int fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    require(bind(fd, (struct sockaddr *)&address, length) == 0, "bind");
    getsockname(fd, (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}

static inline void control(int epoll, int operation, int fd, unsigned events, void *data) {
    struct epoll_event event = {.events = events | EPOLLET, .data.ptr = data};
    require(epoll_ctl(epoll, operation, fd, &event) == 0, "epoll_ctl");
}

// Edges, in both directions: a connection is registered once and never changed.
static inline void watch(int epoll, int fd, void *data) {
    control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, data);
}

// Returns a connection that waits, or -1 if none does.
static inline int accept_one(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int on = 1;
    // On a Unix socket this fails, which means nothing.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

#endif
