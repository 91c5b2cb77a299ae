#define _GNU_SOURCE /* accept4, memmem */
/* The floor of unjoined fan-out: epoll, one thread, one send() per message and subscriber; prints its address.
 *
 * It is no WebSocket server: it answers the one key that the load generator uses (that of RFC 6455 section 1.3)
 * and believes its frames, of at most 125 + 65535 bytes, to be masked text. A request for /ws?publish does not
 * subscribe.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FD = 20000, BUFFER = 1 << 17, EVENTS = 512 };

static const char ANSWER[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

struct client {
    int open, subscriber;
    size_t held;
    unsigned char *buffer; /* an incomplete frame */
};
static struct client clients[MAX_FD];
static int subscribers[MAX_FD], count;

static void drop(int fd) {
    for (int i = 0; i < count; i++)
        if (subscribers[i] == fd) {
            subscribers[i] = subscribers[--count];
            break;
        }
    free(clients[fd].buffer);
    memset(&clients[fd], 0, sizeof clients[fd]);
    close(fd);
}

static void fan_out(const unsigned char *body, size_t length) {
    static unsigned char frame[BUFFER + 4];
    size_t head = length < 126 ? 2 : 4;
    frame[0] = 0x81;
    if (length < 126) {
        frame[1] = (unsigned char)length;
    } else {
        frame[1] = 126;
        frame[2] = (unsigned char)(length >> 8);
        frame[3] = (unsigned char)length;
    }
    memcpy(frame + head, body, length);
    for (int i = 0; i < count; i++) {
        size_t sent = 0, all = head + length;
        while (sent < all) { /* readers of this bench read; a full socket is waited for */
            ssize_t n = send(subscribers[i], frame + sent, all - sent, MSG_NOSIGNAL);
            if (n > 0)
                sent += (size_t)n;
            else if (errno != EAGAIN && errno != EINTR)
                break;
        }
    }
}

/* Bytes of `data` that were whole frames. */
static size_t frames(int fd, unsigned char *data, size_t size) {
    size_t at = 0;
    while (size - at >= 6) {
        size_t length = data[at + 1] & 127, head = 6;
        int opcode = data[at] & 15;
        if (length == 126) {
            if (size - at < 8) break;
            length = (size_t)data[at + 2] << 8 | data[at + 3];
            head = 8;
        }
        if (size - at < head + length) break;
        unsigned char *mask = data + at + head - 4, *body = data + at + head;
        for (size_t i = 0; i < length; i++) body[i] ^= mask[i & 3];
        if (opcode == 1) fan_out(body, length);
        if (opcode == 8) { drop(fd); return size; }
        at += head + length;
    }
    return at;
}

static void readable(int fd) {
    static unsigned char data[BUFFER];
    struct client *c = &clients[fd];
    size_t size = c->held;
    if (size) memcpy(data, c->buffer, size);
    ssize_t n = recv(fd, data + size, BUFFER - size, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) drop(fd);
        return;
    }
    size += (size_t)n;
    size_t used = 0;
    if (!c->open) {
        unsigned char *end = memmem(data, size, "\r\n\r\n", 4);
        if (end) {
            c->open = 1;
            if (!memmem(data, size, "?publish", 8)) subscribers[count++] = fd;
            if (send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0) { drop(fd); return; }
            used = (size_t)(end + 4 - data);
        }
    }
    if (c->open) used += frames(fd, data + used, size - used);
    if (used > size || !c->open) used = c->open ? size : 0;
    c->held = size - used;
    if (c->held) {
        c->buffer = realloc(c->buffer, BUFFER);
        memcpy(c->buffer, data + used, c->held);
    }
}

int main(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 4096)) return 1;
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[EVENTS];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                readable(fd);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (fd >= MAX_FD) { close(fd); continue; }
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event.events = EPOLLIN;
                event.data.fd = fd;
                epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
            }
        }
    }
}
