// The load generator of the TLS rows: what `loadgen` is for the others, over OpenSSL; same arguments, same answers.
//
// One thread, one epoll that is polled without sleeping, closed-loop clients, every reply compared with its request.
// All handshakes are full ones: no client resumes a session. Certificates are not verified: it is the server that is measured.
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

#include "sockets.h"

enum { CLIENTS_MAX = 250 };
static const long long SILENCE_MAX_NS = 10000000000LL;

struct client {
    int index, fd;
    SSL *ssl;
    // Bytes of the current request already sent, and of its reply already received.
    int sent, received;
    // When the request in flight began, for a connection for each request: when that began; 0 while idle.
    long long begin;
    // When a client that rests goes on; 0 while it does not rest.
    long long rests_until;
};

static struct sockaddr_in server = {.sin_family = AF_INET};
static SSL_CTX *context;
static int epoll, clients_len, request_len, is_per_request;
static long long pause_ns;
static char *request, *scratch;
static struct client clients[CLIENTS_MAX];

// The latencies of the current window, in nanoseconds.
static unsigned *latencies;
static size_t latencies_len, latencies_max;

static void fail(const char *reason) {
    fprintf(stderr, "%s\n", reason);
    exit(1);
}

static long long now(void) { return nanoseconds(CLOCK_MONOTONIC); }

static void record(long long latency) {
    if (latencies_len == latencies_max) {
        latencies_max = latencies_max ? latencies_max * 2 : 65536;
        require((latencies = realloc(latencies, latencies_max * sizeof *latencies)) != NULL, "realloc");
    }
    latencies[latencies_len++] = latency < 4000000000LL ? (unsigned)latency : 4000000000U;
}

static int compare(const void *left, const void *right) {
    unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
    return (a > b) - (a < b);
}

static void disconnect(struct client *client) {
    if (!client->ssl)
        return;
    SSL_shutdown(client->ssl);
    SSL_free(client->ssl);
    close(client->fd);
    client->ssl = NULL;
}

// Each client has a loopback address of its own, or a row with a connection for each request would soon run out of ports.
static void connect_to_server(struct client *client) {
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + client->index)};
    require(bind(client->fd, (struct sockaddr *)&source, sizeof source) == 0, "bind");
    int on = 1, result = connect(client->fd, (struct sockaddr *)&server, sizeof server);
    require(result == 0 || errno == EINPROGRESS, "connect");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->ssl = SSL_new(context);
    SSL_set_fd(client->ssl, client->fd);
    SSL_set_connect_state(client->ssl);
    watch(epoll, client->fd, client);
}

static void expect_to_wait(SSL *ssl, int result) {
    int reason = SSL_get_error(ssl, result);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
        return;
    if (reason == SSL_ERROR_SSL)
        fail(ERR_reason_error_string(ERR_peek_last_error()));
    fail("the server closed a connection in the middle of a reply");
}

// Sends what the kernel takes of the request, after what is missing of the handshake. Returns whether it took anything.
static int send_some(struct client *client) {
    int before = client->sent;
    while (client->sent < request_len) {
        int count = SSL_write(client->ssl, request + client->sent, request_len - client->sent);
        if (count <= 0) {
            expect_to_wait(client->ssl, count);
            break;
        }
        client->sent += count;
    }
    return client->sent > before;
}

// Goes on after an event, as far as the kernel lets it. Returns the time at which the reply was complete, or 0.
static long long proceed(struct client *client) {
    if (!client->begin)
        return 0;
    for (;;) {
        int has_sent = send_some(client);
        int count = SSL_read(client->ssl, scratch, request_len - client->received);
        if (count <= 0) {
            expect_to_wait(client->ssl, count);
            if (has_sent)
                continue;
            return 0;
        }
        if (memcmp(scratch, request + client->received, count) != 0)
            fail("the server sent a wrong reply");
        client->received += count;
        if (client->received == request_len) {
            long long at = now();
            record(at - client->begin);
            client->begin = 0;
            return at;
        }
    }
}

static void begin(struct client *client, long long at) {
    if (is_per_request) {
        disconnect(client);
        connect_to_server(client);
    }
    client->sent = client->received = 0;
    client->rests_until = 0;
    client->begin = at;
    send_some(client);
}

// Starts requests until the window has passed, and waits for the last replies. Returns how long it took.
static long long run_for(long long window_ns) {
    long long start = now(), last_event = start;
    latencies_len = 0;
    int running = clients_len;
    for (int i = 0; i < clients_len; i++)
        begin(&clients[i], start);
    while (running) {
        for (int i = 0; pause_ns && i < clients_len; i++) {
            long long at = now();
            if (clients[i].rests_until && at >= clients[i].rests_until)
                begin(&clients[i], at);
        }
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, 0);
        if (count > 0)
            last_event = now();
        else if (now() - last_event > SILENCE_MAX_NS)
            fail("the server was silent for 10 s");
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            long long at = proceed(client);
            if (!at)
                continue;
            if (at + pause_ns >= start + window_ns)
                running--;
            else if (pause_ns)
                client->rests_until = at + pause_ns;
            else
                begin(client, at);
        }
    }
    return now() - start;
}

static const char *argument(int argc, char **argv, const char *name) {
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0)
            return argv[i + 1];
    fail(name);
    return NULL;
}

static void set_up(int argc, char **argv) {
    stay_on(atoi(argument(argc, argv, "--core")));
    signal(SIGPIPE, SIG_IGN);
    const char *port = strrchr(argument(argc, argv, "--address"), ':');
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons(atoi(port ? port + 1 : "0"));
    clients_len = atoi(argument(argc, argv, "--clients"));
    request_len = atoi(argument(argc, argv, "--request"));
    pause_ns = atoll(argument(argc, argv, "--pause-us")) * 1000;
    is_per_request = strcmp(argument(argc, argv, "--lifetime"), "per-request") == 0;
    if (clients_len < 1 || clients_len > CLIENTS_MAX || request_len < 1 ||
        request_len != atoi(argument(argc, argv, "--reply")))
        fail("--clients is 1 to 250, and --reply is --request");
    request = malloc(request_len);
    scratch = malloc(request_len);
    require(request && scratch, "malloc");
    // Bytes of a xorshift generator: no period that could hide a reply shifted by some bytes.
    unsigned long long state = 0x9E3779B97F4A7C15ULL;
    for (int i = 0; i < request_len; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        request[i] = state >> 56;
    }
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < clients_len; i++) {
        clients[i].index = i;
        if (!is_per_request)
            connect_to_server(&clients[i]);
    }
}

int main(int argc, char **argv) {
    set_up(argc, argv);
    run_for(atoll(argument(argc, argv, "--warm-up-ms")) * 1000000);
    puts("ready");
    fflush(stdout);
    char line[64];
    if (!fgets(line, sizeof line, stdin))
        return 0;
    long long elapsed = run_for(atoll(argument(argc, argv, "--window-ms")) * 1000000);
    qsort(latencies, latencies_len, sizeof *latencies, compare);
    printf("{\"requests\": %zu, \"elapsed_ns\": %lld, \"p50_ns\": %u, \"p99_ns\": %u}\n", latencies_len, elapsed,
           latencies[(latencies_len - 1) / 2], latencies[(latencies_len - 1) * 99 / 100]);
    fflush(stdout);
    // The connections stay until the caller has read the server's CPU time, which is not to include their end.
    return fgets(line, sizeof line, stdin) == NULL;
}
