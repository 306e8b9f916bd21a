/* SPDX-License-Identifier: MPL-2.0
 *
 * nagios_output.c - NagiosOutput: passive service checks, by Nagios' cmd.cgi or send_nsca.
 *
 * Place:   builtin_outputs. Requests: control/net/http_client.h; send_nsca:
 *          control/commands/feed_command.h.
 * Failure: a check that could not be handed over comes again; an answer with a status of 400 or
 *          more is a failure (Heka does not look at it).
 * Source:  Heka 0.11 NagiosOutput. For send_nsca, line ends of the output become \n and tabs and
 *          line ends of host and service blanks: they cannot make up a second check.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands/feed_command.h"
#include "control/net/http_client.h"
#include "control/outputs/outputs.h"
#include "control/net/tls.h"
#include "core/clock.h"

enum { ARGS_MAX = 64, WHY_SIZE = 200, STATUS_BAD = 400 };

enum { CHECKS, FAILURES };
static const struct output_counter counters[] = {
    [CHECKS] = {"checks", "checks handed over"},
    [FAILURES] = {"failures", "attempts that failed; they are made again"},
    {NULL, NULL},
};

struct nagios_options {
    const char *url, *username, *password;
    int64_t response_header_timeout, send_nsca_timeout;
    const char *nagios_service_description, *nagios_host, *send_nsca_bin;
    struct schema_list send_nsca_args;
    bool use_tls;
    struct tls_options tls;
};

#define NAGIOS(member) .key = #member, .offset = offsetof(struct nagios_options, member)
static const struct schema_key keys[] = {
    {NAGIOS(url), .type = SCHEMA_STRING, .def = "http://localhost/cgi-bin/cmd.cgi",
     .help = "Of Nagios' cmd.cgi."},
    {NAGIOS(username), .type = SCHEMA_STRING, .help = "Basic authentication."},
    {NAGIOS(password), .type = SCHEMA_STRING, .help = "Basic authentication."},
    {NAGIOS(response_header_timeout), .type = SCHEMA_INT, .min = 0, .max = 86400, .def = "2",
     .unit = "s", .help = "Until an answer begins; 0: none."},
    {NAGIOS(nagios_service_description), .type = SCHEMA_STRING,
     .help = "The service. Default: the message's Logger."},
    {NAGIOS(nagios_host), .type = SCHEMA_STRING,
     .help = "The host. Default: the message's Hostname."},
    {NAGIOS(send_nsca_bin), .type = SCHEMA_STRING,
     .help = "Program that takes checks on its standard input, instead of cmd.cgi."},
    {NAGIOS(send_nsca_args), .type = SCHEMA_STRINGS, .help = "Its arguments."},
    {NAGIOS(send_nsca_timeout), .type = SCHEMA_INT, .min = 1, .max = 86400, .def = "5", .unit = "s",
     .help = "It is killed after that."},
    {NAGIOS(use_tls), .type = SCHEMA_BOOL, .def = "false", .help = "Use [tls] with an https URL."},
    {NAGIOS(tls), .type = SCHEMA_TABLE, .sub = &tls_schema, .help = "Only with use_tls."},
    {0},
};
static const struct schema schema = {"NagiosOutput", keys};

struct nagios_state {
    const struct nagios_options *options;
    struct output_host *host;
    struct http_client *client;
    const char *args[ARGS_MAX + 2];
    struct buffer text;
};

struct nagios_check {
    struct msg_slice host, service, output;
    char state; /* '0' OK to '3' unknown */
};

static bool uses_nsca(const struct nagios_options *options)
{
    return options->send_nsca_bin != NULL && options->send_nsca_bin[0] != '\0';
}

static int check(const void *config, struct err *err)
{
    static const char *const schemes[] = {"http", "https", NULL};
    const struct nagios_options *options = config;
    if (options->send_nsca_args.count > ARGS_MAX)
        return err_add(err, "send_nsca_args: found %zu, allowed up to %d",
                       options->send_nsca_args.count, ARGS_MAX);
    if (uses_nsca(options))
        return 0;
    int rc = http_url_check(options->url, schemes, "url", err);
    return options->use_tls ? tls_check(&options->tls, TLS_CLIENT, err) | rc : rc;
}

static void set_args(struct nagios_state *nagios)
{
    const struct nagios_options *options = nagios->options;
    const char *const *args = options->send_nsca_args.items;
    nagios->args[0] = options->send_nsca_bin;
    for (size_t i = 0; i < options->send_nsca_args.count && i < ARGS_MAX; i++)
        nagios->args[i + 1] = args[i];
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct nagios_state *nagios = state;
    const struct nagios_options *options = config;
    nagios->options = options;
    nagios->host = host;
    set_args(nagios);
    if (uses_nsca(options))
        return 0;
    nagios->client = http_client_new(
        &(struct http_client_config){
            .answer_timeout_ms = options->response_header_timeout * 1000,
            .user = options->username != NULL ? options->username : "",
            .password = options->password,
            .tls = options->use_tls ? &options->tls : NULL,
            .uses_proxy = true,
        },
        err);
    return nagios->client != NULL ? 0 : -1;
}

/* ---- a check ---- */

static struct msg_slice slice_or(const char *text, struct msg_slice other)
{
    if (text == NULL || text[0] == '\0')
        return other;
    return (struct msg_slice){text, (uint32_t)strlen(text)};
}

/* "WARNING: text": what is before the first colon says the state; it is not part of the output. */
static struct nagios_check check_of(const struct nagios_options *options,
                                    const struct msg_view *message)
{
    static const char *const states[] = {"OK", "WARNING", "CRITICAL"};
    struct nagios_check found = {
        .host = slice_or(options->nagios_host, message->hostname),
        .service = slice_or(options->nagios_service_description, message->logger),
        .output = message->payload,
        .state = '3',
    };
    const char *colon =
        message->payload.len > 0 ? memchr(message->payload.ptr, ':', message->payload.len) : NULL;
    if (colon == NULL)
        return found;
    size_t len = (size_t)(colon - message->payload.ptr);
    for (unsigned i = 0; i < 3; i++)
        if (strlen(states[i]) == len && memcmp(states[i], message->payload.ptr, len) == 0)
            found.state = (char)('0' + i);
    found.output = (struct msg_slice){colon + 1, message->payload.len - (uint32_t)len - 1};
    return found;
}

/* ---- cmd.cgi ---- */

static int append_form(struct buffer *text, const char *name, struct msg_slice value)
{
    static const char hex[] = "0123456789ABCDEF", others[] = "-_.~";
    int rc = buffer_append_text(text, name);
    for (uint32_t i = 0; i < value.len && rc == 0; i++) {
        uint8_t c = (uint8_t)value.ptr[i];
        char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool is_alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (is_alnum || (c != '\0' && strchr(others, c) != NULL))
            rc = buffer_append(text, &value.ptr[i], 1);
        else if (c == ' ')
            rc = buffer_append(text, "+", 1);
        else
            rc = buffer_append(text, escape, sizeof(escape));
    }
    return rc;
}

static int send_form(struct nagios_state *nagios, const struct nagios_check *found)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct buffer *text = &nagios->text;
    struct http_answer answer;
    /* 30: a service check's result; 2: commit it */
    int rc = append_form(text, "cmd_mod=2&cmd_typ=30&host=", found->host);
    rc |= append_form(text, "&performance_data=&plugin_output=", found->output);
    rc |= append_form(text, "&plugin_state=", (struct msg_slice){&found->state, 1});
    rc |= append_form(text, "&service=", found->service);
    if (rc != 0)
        return output_host_fail(nagios->host, -ENOMEM, "out of memory");
    struct http_request request = {
        .method = "POST",
        .url = nagios->options->url,
        .headers = headers,
        .body = text->data,
        .body_size = text->size,
    };
    rc = http_client_send(nagios->client, &request, http_wait_output, nagios->host, &answer);
    if (rc != 0)
        return output_host_fail(nagios->host, rc, "%s", answer.error);
    if (answer.status >= STATUS_BAD)
        return output_host_fail(nagios->host, -EIO, "HTTP status %s", answer.status_line);
    return 0;
}

/* ---- send_nsca ---- */

static bool is_stopping(const void *arg)
{
    return output_host_stopping(arg);
}

/* With `instead` for each line end and tab; NULL: tabs stay, and line ends become \n. */
static int append_part(struct buffer *text, struct msg_slice part, const char *instead, char end)
{
    int rc = 0;
    for (uint32_t i = 0; i < part.len && rc == 0; i++) {
        char c = part.ptr[i];
        if (c == '\r' || c == '\0')
            continue;
        if (c == '\n' || (c == '\t' && instead != NULL))
            rc = buffer_append_text(text, instead != NULL ? instead : "\\n");
        else
            rc = buffer_append(text, &c, 1);
    }
    return rc != 0 ? rc : buffer_append(text, &end, 1);
}

static int send_nsca(struct nagios_state *nagios, const struct nagios_check *found)
{
    struct buffer *text = &nagios->text;
    char why[WHY_SIZE] = "";
    int rc = append_part(text, found->host, " ", '\t');
    rc |= append_part(text, found->service, " ", '\t');
    rc |= append_part(text, (struct msg_slice){&found->state, 1}, " ", '\t');
    rc |= append_part(text, found->output, NULL, '\n');
    if (rc != 0)
        return output_host_fail(nagios->host, -ENOMEM, "out of memory");
    struct feed_command command = {
        .args = nagios->args,
        .text = text->data,
        .size = text->size,
        .timeout_ns = (uint64_t)nagios->options->send_nsca_timeout * CLOCK_NS_PER_S,
        .is_stopping = is_stopping,
        .arg = nagios->host,
    };
    rc = feed_command_run(&command, why, sizeof(why));
    return rc == 0 ? 0 : output_host_fail(nagios->host, rc, "%s", why);
}

/* ---- deliveries ---- */

static int send_one(struct nagios_state *nagios, const struct output_item *item)
{
    struct nagios_check found = check_of(nagios->options, &item->message);
    buffer_clear(&nagios->text);
    int rc = nagios->client != NULL ? send_form(nagios, &found) : send_nsca(nagios, &found);
    if (rc != -ECANCELED)
        output_host_count(nagios->host, rc == 0 ? CHECKS : FAILURES, 1);
    return rc;
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct nagios_state *nagios = state;
    int rc = 0;
    unsigned taken = 0;
    while (taken < count && !output_host_stopping(nagios->host) &&
           (rc = send_one(nagios, &items[taken])) == 0)
        taken++;
    return taken > 0 || rc == -ECANCELED ? (int)taken : rc;
}

static void fini(void *state)
{
    struct nagios_state *nagios = state;
    http_client_free(nagios->client);
    buffer_fini(&nagios->text);
}

const struct output_ops nagios_output = {
    .plugin = {PLUGIN_ABI, "NagiosOutput", &schema, sizeof(struct nagios_options),
               sizeof(struct nagios_state)},
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .fini = fini,
};
