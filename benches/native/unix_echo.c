// The floor of the Unix rows: an echo on one epoll, with one buffer for all connections. Arguments: core, path.
#include <errno.h>

#include "sockets.h"

enum { READ_MAX = 100 * 1024 };

struct connection {
    int fd;
    // What the kernel would not take yet; nothing is read meanwhile.
    char *left;
    size_t left_len;
};

static char buffer[READ_MAX];
static int epoll;

// Room to write is watched for only when it is needed: on a Unix socket it is an edge whenever the peer has read.
static void watch_for(int operation, struct connection *connection, unsigned events) {
    control(epoll, operation, connection->fd, events | EPOLLRDHUP, connection);
}

static void end(struct connection *connection) {
    close(connection->fd);
    free(connection->left);
    free(connection);
}

// Returns how much of the data the kernel took; all or a part of it, or -1 if the connection is lost.
static ssize_t send_some(int fd, const char *data, size_t length) {
    size_t sent = 0;
    while (sent < length) {
        ssize_t count = send(fd, data + sent, length - sent, MSG_NOSIGNAL);
        if (count < 0)
            return errno == EAGAIN ? (ssize_t)sent : -1;
        sent += count;
    }
    return sent;
}

static void proceed(struct connection *connection) {
    if (connection->left_len) {
        ssize_t sent = send_some(connection->fd, connection->left, connection->left_len);
        if (sent < 0) {
            end(connection);
            return;
        }
        connection->left_len -= sent;
        memmove(connection->left, connection->left + sent, connection->left_len);
        if (!connection->left_len)
            watch_for(EPOLL_CTL_MOD, connection, EPOLLIN);
    }
    while (!connection->left_len) {
        ssize_t count = recv(connection->fd, buffer, sizeof buffer, 0);
        if (count < 0 && errno == EAGAIN)
            return;
        ssize_t sent = count > 0 ? send_some(connection->fd, buffer, count) : -1;
        if (sent < 0) {
            end(connection);
            return;
        }
        connection->left_len = count - sent;
        if (connection->left_len) {
            if (!connection->left)
                require((connection->left = malloc(READ_MAX)) != NULL, "malloc");
            memcpy(connection->left, buffer + sent, connection->left_len);
            watch_for(EPOLL_CTL_MOD, connection, EPOLLIN | EPOLLOUT);
        } else if (count < READ_MAX) {
            // A short read emptied the socket; the next bytes are a new edge.
            return;
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    stay_on(atoi(argv[1]));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[2], sizeof address.sun_path - 1);
    require(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    require(listen(listener, BACKLOG) == 0, "listen");
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener, NULL);
    serve_at(0);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) {
                proceed(events[i].data.ptr);
                continue;
            }
            for (int fd; (fd = accept_one(listener)) >= 0;) {
                struct connection *connection = calloc(1, sizeof *connection);
                require(connection != NULL, "calloc");
                connection->fd = fd;
                watch_for(EPOLL_CTL_ADD, connection, EPOLLIN);
            }
        }
    }
}
