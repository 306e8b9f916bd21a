/* SPDX-License-Identifier: MPL-2.0
 *
 * smtp_output.c - SmtpOutput: encoded messages as mail.
 *
 * Place:   builtin_outputs. SMTP: control/net/http_client.h. Text: mail_text.h.
 * Memory:  with send_interval what waits for the next mail, at most WAITING_BYTES_MAX; then the
 *          lanes hold the rest.
 * Failure: a mail that the server does not take comes again; one that it refuses for good (550 to
 *          554) ends as "refused". What waits for the end of an interval is sent when the output
 *          ends; if that fails it is lost and counted.
 * Source:  Heka 0.11 SmtpOutput: the first message of an interval goes at once, later ones are
 *          joined by an empty line. Unlike there nothing is lost while there is no server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/net/http_client.h"
#include "control/outputs/mail_text.h"
#include "control/outputs/outputs.h"
#include "control/net/tls_options.h"
#include "control/trouble.h"
#include "core/address.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    WAITING_BYTES_MAX = 1 << 20,
    MAIL_BYTES_MAX = 64 << 20,
    TIMEOUT_MS = 60000,
    CONNECT_TIMEOUT_MS = 10000,
    RETRY_MS = 5000,
    LAST_MS = 3000,
    SLICE_MS = 100,
    FINAL_MIN = 550,
    FINAL_MAX = 554
};

enum { MAILS, FAILURES, JOINED, LOST };
static const struct output_counter counters[] = {
    [MAILS] = {"mails", "mails that the server has taken"},
    [FAILURES] = {"failures", "times that it did not"},
    [JOINED] = {"joined", "messages that waited for the end of an interval"},
    [LOST] = {"waiting_lost", "of these: lost, because they could not be sent at the end"},
    {NULL, NULL},
};

static const char *const auths[] = {"none", "Plain", "CRAMMD5", NULL};

struct smtp_options {
    const char *send_from, *subject, *host, *user, *password;
    struct schema_list send_to;
    int auth; /* enum http_mail_auth */
    int64_t send_interval;
    struct tls_options tls;
};

#define SMTP(member) .key = #member, .offset = offsetof(struct smtp_options, member)
static const struct schema_key keys[] = {
    {SMTP(send_from), .type = SCHEMA_STRING, .def = "heka@localhost.localdomain",
     .help = "Sender."},
    {SMTP(send_to), .type = SCHEMA_STRINGS, .flags = SCHEMA_REQUIRED, .help = "Receivers."},
    {SMTP(subject), .type = SCHEMA_STRING, .help = "Default: \"Heka [NAME]\"."},
    {SMTP(host), .type = SCHEMA_STRING, .def = "127.0.0.1:25", .help = "HOST:PORT."},
    {SMTP(auth), .type = SCHEMA_CHOICE, .choices = auths, .def = "none",
     .help = "How we say who we are."},
    {SMTP(user), .type = SCHEMA_STRING, .help = "For auth."},
    {SMTP(password), .type = SCHEMA_STRING, .help = "For auth."},
    {SMTP(send_interval), .type = SCHEMA_INT, .min = 0, .max = UINT32_MAX, .def = "0", .unit = "s",
     .help = "Shortest time between two mails; 0: a mail for each message."},
    {SMTP(tls), .type = SCHEMA_TABLE, .sub = &tls_schema,
     .help = "For servers that offer STARTTLS."},
    {0},
};
static const struct schema schema = {"SmtpOutput", keys};

struct smtp_state {
    const struct smtp_options *options;
    struct output_host *host;
    struct http_client *client;
    const char **receivers; /* NULL-terminated */
    struct buffer text;     /* headers, then the body */
    size_t head_size;
    struct buffer waiting; /* bodies of the next mail */
    uint64_t waiting_count;
    uint64_t next_mail_ns;
    uint64_t last_until_ns; /* not 0: the output ends */
    char failure[2 * HTTP_ERROR_SIZE];
    struct trouble trouble;
};

/* ---- options ---- */

static bool is_one_line(const char *text)
{
    return text[strcspn(text, "\r\n")] == '\0';
}

static int check(const void *config, struct err *err)
{
    const struct smtp_options *options = config;
    const char *const *receivers = options->send_to.items;
    struct address_parts parts;
    struct tls_values values;
    int rc = 0;
    if (options->send_to.count == 0)
        rc = err_add(err, "send_to: send_to must contain at least one recipient");
    for (size_t i = 0; i < options->send_to.count; i++)
        if (receivers[i][0] == '\0' || !is_one_line(receivers[i]))
            rc = err_add(err, "send_to: found '%s', allowed an address", receivers[i]);
    if (!is_one_line(options->send_from))
        rc = err_add(err, "send_from: found '%s', allowed an address", options->send_from);
    if (address_split(options->host, &parts) != 0)
        rc = err_add(err, "host: found '%s': Host must contain a port specifier", options->host);
    if (options->auth != HTTP_MAIL_NO_AUTH && (options->user == NULL || options->user[0] == '\0'))
        rc = err_add(err, "user: auth needs one");
    return tls_options_values(&options->tls, &values, err) | rc;
}

static int make_head(struct smtp_state *smtp)
{
    const struct smtp_options *options = smtp->options;
    char subject[512];
    const char *const *receivers = options->send_to.items;
    snprintf(subject, sizeof(subject), "Heka [%s]", output_host_name(smtp->host));
    bool is_given = options->subject != NULL && options->subject[0] != '\0';
    struct mail_head head = {
        .sender = options->send_from,
        .subject = is_given ? options->subject : subject,
        .receivers = receivers,
        .receiver_count = options->send_to.count,
    };
    smtp->receivers = calloc(options->send_to.count + 1, sizeof(*smtp->receivers));
    if (smtp->receivers == NULL || mail_append_head(&smtp->text, &head) != 0)
        return -1;
    for (size_t i = 0; i < options->send_to.count; i++)
        smtp->receivers[i] = receivers[i];
    smtp->head_size = smtp->text.size;
    return 0;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    const struct smtp_options *options = config;
    struct smtp_state *smtp = state;
    bool has_user = options->auth != HTTP_MAIL_NO_AUTH;
    smtp->options = options;
    smtp->host = host;
    smtp->trouble.name = output_host_name(host);
    smtp->text.max_size = MAIL_BYTES_MAX;
    smtp->waiting.max_size = MAIL_BYTES_MAX; /* one message may be larger than what joins it */
    struct http_client_config client = {
        .timeout_ms = TIMEOUT_MS,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .user = has_user ? options->user : NULL,
        .password = has_user && options->password != NULL ? options->password : "",
        .tls = &options->tls,
        .is_single_use = true,
    };
    smtp->client = http_client_new(&client, err);
    if (smtp->client == NULL)
        return -1;
    return make_head(smtp) == 0 ? 0 : err_add(err, "'%s': out of memory", output_host_name(host));
}

/* ---- mails ---- */

static int fail_mail(struct smtp_state *smtp, int rc, const struct http_answer *answer)
{
    output_host_count(smtp->host, FAILURES, 1);
    snprintf(smtp->failure, sizeof(smtp->failure), "sending error: %s: %s", smtp->options->host,
             answer->error[0] != '\0' ? answer->error : strerror(-rc));
    return output_host_fail(smtp->host, rc, "%s", smtp->failure);
}

/* While the output runs until that has to stop, at its end for LAST_MS. */
static int wait_for_server(void *arg, struct pollfd *fds, unsigned count, int timeout_ms)
{
    struct smtp_state *smtp = arg;
    if (smtp->last_until_ns == 0)
        return http_wait_output(smtp->host, fds, count, timeout_ms);
    if (clock_mono_ns() >= smtp->last_until_ns)
        return -ECANCELED;
    poll(fds, count, timeout_ms >= 0 && timeout_ms < SLICE_MS ? timeout_ms : SLICE_MS);
    return 0;
}

/* 0: the server has it. 1: it never will. Negative: it may come again. */
static int send_mail(struct smtp_state *smtp, const void *body, size_t size)
{
    struct http_answer answer = {0};
    smtp->text.size = smtp->head_size;
    int rc = mail_append_body(&smtp->text, body, size);
    if (rc != 0)
        return output_host_fail(smtp->host, rc, "out of memory");
    struct http_mail mail = {
        .server = smtp->options->host,
        .sender = smtp->options->send_from,
        .receivers = smtp->receivers,
        .auth = (enum http_mail_auth)smtp->options->auth,
        .text = smtp->text.data,
        .text_size = smtp->text.size,
    };
    rc = http_client_mail(smtp->client, &mail, wait_for_server, smtp, &answer);
    if (rc == 0) {
        output_host_count(smtp->host, MAILS, 1);
        return 0;
    }
    if (rc == -ECANCELED)
        return rc;
    rc = fail_mail(smtp, rc, &answer);
    if (answer.status < FINAL_MIN || answer.status > FINAL_MAX)
        return rc;
    log_error("Plugin '%s' error: a mail is refused: %s", output_host_name(smtp->host),
              answer.error);
    return 1;
}

static int send_item(struct smtp_state *smtp, const struct output_item *item)
{
    int rc = send_mail(smtp, item->bytes, item->size);
    if (rc == 1)
        output_host_drop(smtp->host, "refused");
    return rc < 0 ? rc : 0;
}

static int send_each(struct smtp_state *smtp, const struct output_item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int rc = output_host_stopping(smtp->host) ? -ECANCELED : send_item(smtp, &items[i]);
        if (rc != 0)
            return i > 0 ? (int)i : rc == -ECANCELED ? 0 : rc;
    }
    return (int)count;
}

/* ---- with an interval ---- */

static int wait_for_interval(struct smtp_state *smtp, const struct output_item *item)
{
    struct buffer *waiting = &smtp->waiting;
    size_t before = waiting->size;
    if (before > 0 && before + item->size + 4 > WAITING_BYTES_MAX)
        return -ENOSPC;
    int rc = before > 0 ? buffer_append_text(waiting, "\r\n\r\n") : 0;
    if (rc == 0)
        rc = buffer_append(waiting, item->bytes, item->size);
    if (rc != 0) {
        waiting->size = before;
        return rc;
    }
    smtp->waiting_count++;
    output_host_count(smtp->host, JOINED, 1);
    return 0;
}

static uint64_t interval_ns(const struct smtp_state *smtp)
{
    return (uint64_t)smtp->options->send_interval * CLOCK_NS_PER_S;
}

static int join(struct smtp_state *smtp, const struct output_item *items, unsigned count)
{
    unsigned done = 0;
    if (smtp->waiting_count == 0 && clock_mono_ns() >= smtp->next_mail_ns) {
        int rc = send_item(smtp, &items[0]);
        if (rc != 0)
            return rc == -ECANCELED ? 0 : rc;
        smtp->next_mail_ns = clock_mono_ns() + interval_ns(smtp);
        done = 1;
    }
    while (done < count && wait_for_interval(smtp, &items[done]) == 0)
        done++;
    return (int)done;
}

static void forget_waiting(struct smtp_state *smtp)
{
    buffer_clear(&smtp->waiting);
    smtp->waiting_count = 0;
}

static void send_waiting(struct smtp_state *smtp)
{
    int rc = send_mail(smtp, smtp->waiting.data, smtp->waiting.size);
    if (rc < 0) {
        smtp->next_mail_ns = clock_mono_ns() + RETRY_MS * CLOCK_NS_PER_MS;
        if (rc != -ECANCELED)
            trouble_say(&smtp->trouble, "%s", smtp->failure);
        return;
    }
    trouble_end(&smtp->trouble);
    if (rc == 1)
        output_host_count(smtp->host, LOST, smtp->waiting_count);
    smtp->next_mail_ns = clock_mono_ns() + interval_ns(smtp);
    forget_waiting(smtp);
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct smtp_state *smtp = state;
    return smtp->options->send_interval > 0 ? join(smtp, items, count)
                                            : send_each(smtp, items, count);
}

static void timer(void *state, uint64_t now_ns)
{
    struct smtp_state *smtp = state;
    (void)now_ns;
    if (smtp->waiting_count > 0 && clock_mono_ns() >= smtp->next_mail_ns &&
        !output_host_stopping(smtp->host))
        send_waiting(smtp);
}

static void fini(void *state)
{
    struct smtp_state *smtp = state;
    smtp->last_until_ns = clock_mono_ns() + LAST_MS * CLOCK_NS_PER_MS;
    if (smtp->waiting_count > 0)
        send_waiting(smtp);
    if (smtp->waiting_count > 0) {
        output_host_count(smtp->host, LOST, smtp->waiting_count);
        log_error("Plugin '%s' error: %llu messages that waited for the next mail are lost",
                  output_host_name(smtp->host), (unsigned long long)smtp->waiting_count);
    }
    http_client_free(smtp->client);
    smtp->client = NULL;
    free(smtp->receivers);
    smtp->receivers = NULL;
    buffer_fini(&smtp->text);
    buffer_fini(&smtp->waiting);
}

const struct output_ops smtp_output = {
    .plugin = {PLUGIN_ABI, "SmtpOutput", &schema, sizeof(struct smtp_options),
               sizeof(struct smtp_state)},
    .encoder_required = true,
    .takes_encoder = true,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .fini = fini,
};
