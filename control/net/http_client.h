/* SPDX-License-Identifier: MPL-2.0
 *
 * http_client.h - HTTP requests, and mail, to other servers: the only user of libcurl.
 *
 * Place:   outputs that send one request at a time (http_client_send(), http_client_mail()), and
 *          inputs with several at once or endless answers (http_client_start()).
 * Threads: one client belongs to one thread.
 * Memory:  a client keeps its connections and uses them again. Bodies that are kept are bounded by
 *          answer_max; the rest of one is read and not kept, and says so.
 * Failure: a transfer that fails gives a negative errno and a text; an answer of any status is no
 *          failure here. Nothing waits longer than its timeouts, or than the waiter says.
 */
#ifndef CONTROL_HTTP_CLIENT_H
#define CONTROL_HTTP_CLIENT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/err.h"

struct tls_options; /* control/net/tls.h */
struct http_client;

enum {
    HTTP_ERROR_SIZE = 256,
    HTTP_STATUS_SIZE = 64,
    HTTP_PROTOCOL_SIZE = 16,
    HTTP_ANSWER_MAX = 1 << 20 /* when answer_max is 0 */
};

struct http_client_config {     /* all that is 0 is off; what is pointed to outlives the client */
    int64_t timeout_ms;         /* of a whole transfer */
    int64_t connect_timeout_ms; /* of resolving and connecting; 0: libcurl's 300 s */
    int64_t answer_timeout_ms;  /* until the answer's first bytes; transfers started by send only */
    const char *unix_path;      /* connect there instead of to the URL's host */
    const char *user, *password;   /* basic authentication; user NULL: none */
    const struct tls_options *tls; /* of https and smtps */
    size_t answer_max;             /* bytes of an answer's body that are kept */
    bool is_single_use;            /* a connection for each request */
    bool follows;                  /* redirects, at most 10 */
    bool uses_proxy;               /* http_proxy and the like of the environment */
};

/* NULL after adding to `err`, also when files of `tls` cannot be read. */
struct http_client *http_client_new(const struct http_client_config *config, struct err *err);
void http_client_free(struct http_client *client); /* ends what is on its way; NULL is fine */

/* 0, or -1 after adding to `err` what is wrong with it as an absolute URL of one of the schemes, a
 * NULL-terminated list. */
int http_url_check(const char *url, const char *const *schemes, const char *option,
                   struct err *err);

struct http_request {
    const char *method, *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL. No User-Agent: the
                                 * one here; "Name:" leaves one of libcurl's out */
    const void *body;           /* has to stay until the end; NULL: none */
    size_t body_size;
};

struct http_answer {
    int rc;      /* 0, or why there was no whole answer; -ECANCELED: the waiter's will */
    bool is_cut; /* of the body the first answer_max bytes are kept */
    char error[HTTP_ERROR_SIZE];
    long status;                        /* 0: none came */
    char status_line[HTTP_STATUS_SIZE]; /* "200 OK" */
    char protocol[HTTP_PROTOCOL_SIZE];  /* "HTTP/1.1" */
    int64_t content_length;             /* as the answer's header says; -1: it does not */
    uint64_t elapsed_ns, head_ns;       /* of all, and until the answer began */
    struct buffer body;                 /* the client's, until the next request */
};

/* Waits until one of `fds` is ready or timeout_ms is over, which may be less than was asked for.
 * Negative: give up (-ECANCELED). */
typedef int http_wait_fn(void *arg, struct pollfd *fds, unsigned count, int timeout_ms);

/* Sends one request and reads the answer. Returns answer->rc, too. `wait` NULL: poll(2). */
int http_client_send(struct http_client *client, const struct http_request *request,
                     http_wait_fn *wait, void *wait_arg, struct http_answer *answer);

/* ---- several at once ---- */

struct http_stream; /* one transfer on its way */

struct http_stream_ops {
    /* The answer's head is there; negative ends the transfer. May be NULL. */
    int (*on_head)(void *arg, long status);
    /* More of the body; negative ends the transfer. It must not start or stop transfers. */
    int (*on_body)(void *arg, const void *bytes, size_t size);
    /* It has ended, and the stream is gone: rc 0, -ECANCELED when a call above said so, or another
     * negative errno and the text. May start others. */
    void (*on_end)(void *arg, int rc, long status, const char *error);
};

/* Takes the request's method, URL, headers and body, which need not stay. NULL when memory is out.
 * Calls come from http_client_turn() only. */
struct http_stream *http_client_start(struct http_client *client,
                                      const struct http_request *request,
                                      const struct http_stream_ops *ops, void *arg);
/* Ends it at once, without a call; not from on_head and on_body. */
void http_client_stop(struct http_client *client, struct http_stream *stream);
/* What to wait for before http_client_turn(): readable when there is something to do. */
int http_client_fd(const struct http_client *client);
int http_client_timeout_ms(const struct http_client *client); /* -1: none */
void http_client_turn(struct http_client *client);

/* ---- mail ---- */

enum http_mail_auth { HTTP_MAIL_NO_AUTH, HTTP_MAIL_PLAIN, HTTP_MAIL_CRAM_MD5 };

struct http_mail {
    const char *server; /* HOST:PORT */
    const char *sender;
    const char *const *receivers; /* NULL-terminated */
    enum http_mail_auth auth;     /* with the client's user and password */
    const char *text;             /* headers, empty line, body; lines end with CR LF */
    size_t text_size;
};

/* Sends a mail by SMTP, with STARTTLS when the server offers it. Returns answer->rc, too;
 * answer->status is SMTP's last code. */
int http_client_mail(struct http_client *client, const struct http_mail *mail, http_wait_fn *wait,
                     void *wait_arg, struct http_answer *answer);

/* ---- waiters ---- */

/* For outputs: arg is their struct output_host; gives up when that is to stop. */
http_wait_fn http_wait_output;
/* For inputs: arg is their struct input_host. */
http_wait_fn http_wait_input;

#endif
