// The floor of the TLS rows: an echo with OpenSSL on the descriptor itself, on one epoll. Arguments: core, certificate.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

#include "sockets.h"

enum { READ_MAX = 100 * 1024 };

struct connection {
    int fd;
    SSL *ssl;
    // What was read and is not yet written back lies between the two.
    int begin, end;
    char buffer[READ_MAX];
};

static void end(struct connection *connection) {
    SSL_shutdown(connection->ssl);
    SSL_free(connection->ssl);
    close(connection->fd);
    free(connection);
    // Whatever it was is of no concern to the other connections.
    ERR_clear_error();
}

// Whether the connection only has to wait for its socket.
static int waits(SSL *ssl, int result) {
    int reason = SSL_get_error(ssl, result);
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
}

// Reads all there is, then writes it back in one piece; the handshake is part of reading.
static void proceed(struct connection *connection) {
    SSL *ssl = connection->ssl;
    for (;;) {
        int result = 1;
        while (connection->begin == 0 && connection->end < READ_MAX) {
            result = SSL_read(ssl, connection->buffer + connection->end, READ_MAX - connection->end);
            if (result <= 0)
                break;
            connection->end += result;
        }
        if (result <= 0 && !waits(ssl, result)) {
            end(connection);
            return;
        }
        if (!connection->end)
            return;
        while (connection->begin < connection->end) {
            result = SSL_write(ssl, connection->buffer + connection->begin, connection->end - connection->begin);
            if (result <= 0) {
                if (!waits(ssl, result))
                    end(connection);
                return;
            }
            connection->begin += result;
        }
        int was_full = connection->end == READ_MAX;
        connection->begin = connection->end = 0;
        if (!was_full)
            return;
    }
}

static struct connection *new_connection(SSL_CTX *context, int fd) {
    struct connection *connection = malloc(sizeof *connection);
    require(connection != NULL, "malloc");
    connection->fd = fd;
    connection->begin = connection->end = 0;
    connection->ssl = SSL_new(context);
    SSL_set_fd(connection->ssl, fd);
    SSL_set_accept_state(connection->ssl);
    return connection;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    stay_on(atoi(argv[1]));
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    require(SSL_CTX_use_certificate_chain_file(context, argv[2]) == 1, argv[2]);
    require(SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) == 1, argv[2]);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Otherwise each record takes two reads, one for its header: 8 % more CPU time for a request of 1 KiB.
    SSL_CTX_set_read_ahead(context, 1);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int port = bind_to_loopback(listener);
    require(listen(listener, BACKLOG) == 0, "listen");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, listener, NULL);
    serve_at(port);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) {
                proceed(events[i].data.ptr);
                continue;
            }
            for (int fd; (fd = accept_one(listener)) >= 0;)
                watch(epoll, fd, new_connection(context, fd));
        }
    }
}
