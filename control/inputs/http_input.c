/* SPDX-License-Identifier: MPL-2.0
 *
 * http_input.c - HttpInput: asks for URLs now and then; answers are messages.
 *
 * Place:   builtin_inputs. The client: control/net/http_client.h.
 * Failure: a request without an answer is a message of Type heka.httpinput.error with the reason;
 *          that one does not go through splitter and decoder. Beyond ANSWER_MAX bytes an answer is
 *          cut (answers_cut); NullSplitter takes one message's worth.
 * Bounds:  a request ends after REQUEST_MAX_S; Heka waits for ever.
 * Source:  Heka 0.11 HttpInput.
 */
#include <errno.h>
#include <string.h>

#include "control/net/http_client.h"
#include "control/net/http_headers.h"
#include "control/plugins/input_stream.h"
#include "control/inputs/inputs.h"
#include "core/clock.h"
#include "core/log.h"

enum { ANSWER_MAX = 16 << 20, REQUEST_MAX_S = 60, STATUS_OK = 200 };

enum { REQUESTS, NOT_OK, ERRORS, ANSWERS_CUT };
static const struct input_counter counters[] = {
    [REQUESTS] = {"requests", "requests made"},
    [NOT_OK] = {"not_ok", "of these answered with another status than 200"},
    [ERRORS] = {"errors", "of these without an answer"},
    [ANSWERS_CUT] = {"answers_cut", "answers that were longer than what is read of one"},
    {NULL, NULL},
};

struct http_input_options {
    const char *url, *method, *body, *username, *password;
    struct schema_list urls;
    const struct conf_node *headers;
    int64_t ticker_interval, success_severity, error_severity;
};

#define HTTP(member) .key = #member, .offset = offsetof(struct http_input_options, member)
static const struct schema_key keys[] = {
    {HTTP(url), .type = SCHEMA_STRING, .help = "What to ask for, when there is no urls."},
    {HTTP(urls), .type = SCHEMA_STRINGS, .help = "What to ask for, one after the other."},
    {HTTP(method), .type = SCHEMA_STRING, .def = "GET", .help = "Method of the requests."},
    {HTTP(headers), .type = SCHEMA_NODE, .unit = "a table of names with strings",
     .help = "Headers of the requests. User-Agent is Heka unless given."},
    {HTTP(body), .type = SCHEMA_STRING, .help = "Body of the requests."},
    {HTTP(username), .type = SCHEMA_STRING, .help = "Basic authentication."},
    {HTTP(password), .type = SCHEMA_STRING, .help = "Basic authentication."},
    {HTTP(ticker_interval), .type = SCHEMA_INT, .min = 1, .max = UINT32_MAX, .def = "10",
     .unit = "s", .help = "Time from one turn through all URLs to the next."},
    {HTTP(success_severity), .type = SCHEMA_INT, .min = INT32_MIN, .max = INT32_MAX, .def = "6",
     .help = "Severity of answers with status 200."},
    {HTTP(error_severity), .type = SCHEMA_INT, .min = INT32_MIN, .max = INT32_MAX, .def = "1",
     .help = "Severity of other answers, and of errors."},
    {0},
};
static const struct schema schema = {"HttpInput", keys};

struct http_input_state {
    struct input_host *host;
    const struct http_input_options *options;
    struct http_client *client;
    struct http_headers headers;
    struct input_stream *stream;
    /* of the answer in work */
    const char *url;
    const struct http_answer *answer;
};

static bool is_given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* The index-th URL, or NULL. */
static const char *url_at(const struct http_input_options *options, size_t index)
{
    const char *const *urls = options->urls.items;
    if (options->urls.count > 0)
        return index < options->urls.count ? urls[index] : NULL;
    return index == 0 && is_given(options->url) ? options->url : NULL;
}

static int check(const void *config, struct err *err)
{
    static const char *const schemes[] = {"http", "https", NULL};
    const struct http_input_options *options = config;
    const char *url, *option = options->urls.count > 0 ? "urls" : "url";
    int rc = http_headers_check(options->headers, "headers", err);
    if (url_at(options, 0) == NULL)
        rc = err_add(err, "url: Url or Urls must contain at least one URL");
    for (size_t i = 0; (url = url_at(options, i)) != NULL; i++)
        rc |= http_url_check(url, schemes, option, err);
    if (!http_header_name_is_good(options->method))
        rc = err_add(err, "method: found '%s', allowed a name as GET", options->method);
    return rc;
}

static int init(void *state, const void *config, struct input_host *host, struct err *err)
{
    struct http_input_state *http = state;
    const struct http_input_options *options = config;
    http->host = host;
    http->options = options;
    if (http_headers_read(&http->headers, options->headers, "headers", err) != 0)
        return -1;
    http->stream = input_host_stream(host, err);
    if (http->stream == NULL)
        return -1;
    size_t size_max = input_stream_body_max(http->stream);
    http->client = http_client_new(
        &(struct http_client_config){
            .timeout_ms = REQUEST_MAX_S * 1000,
            .user = is_given(options->username) ? options->username : NULL,
            .password = options->password,
            .answer_max = size_max < ANSWER_MAX ? size_max : ANSWER_MAX,
            .follows = true,
            .uses_proxy = true,
        },
        err);
    return http->client != NULL ? 0 : -1;
}

/* ---- messages ---- */

static void write_answer(void *arg, struct msg_builder *builder, struct msg_slice payload)
{
    static const char type[] = "heka.httpinput.data";
    const struct http_input_state *http = arg;
    const struct http_answer *answer = http->answer;
    const char *hostname = input_host_hostname(http->host);
    bool is_ok = answer->status == STATUS_OK;
    int64_t size = answer->content_length > 0 ? answer->content_length : 0;
    msg_builder_type(builder, type, sizeof(type) - 1);
    msg_builder_logger(builder, http->url, strlen(http->url));
    msg_builder_severity(builder, (int32_t)(is_ok ? http->options->success_severity
                                                  : http->options->error_severity));
    msg_builder_payload(builder, payload.ptr, payload.len);
    msg_builder_hostname(builder, hostname, strlen(hostname));
    msg_builder_field_integer(builder, "StatusCode", answer->status, NULL);
    msg_builder_field_string(builder, "Status", answer->status_line, strlen(answer->status_line),
                             NULL);
    msg_builder_field_integer(builder, "ResponseSize", size, "B");
    msg_builder_field_double(builder, "ResponseTime",
                             (double)answer->head_ns / (double)CLOCK_NS_PER_S, "s");
    msg_builder_field_string(builder, "Protocol", answer->protocol, strlen(answer->protocol), NULL);
}

static int inject_error(struct http_input_state *http)
{
    static const char type[] = "heka.httpinput.error";
    struct msg_builder builder;
    input_host_begin(http->host, &builder, clock_wall_ns());
    msg_builder_type(&builder, type, sizeof(type) - 1);
    msg_builder_logger(&builder, http->url, strlen(http->url));
    msg_builder_severity(&builder, (int32_t)http->options->error_severity);
    msg_builder_payload(&builder, http->answer->error, strlen(http->answer->error));
    return input_host_inject(http->host, &builder, NULL);
}

/* ---- requests ---- */

static int take_answer(struct http_input_state *http, const struct http_answer *answer)
{
    http->answer = answer;
    if (answer->rc != 0) {
        input_host_count(http->host, ERRORS, 1);
        return inject_error(http);
    }
    if (answer->status != STATUS_OK)
        input_host_count(http->host, NOT_OK, 1);
    if (answer->is_cut) {
        input_host_count(http->host, ANSWERS_CUT, 1);
        log_error("Input '%s': the answer of %s is cut after %zu bytes",
                  input_host_name(http->host), http->url, answer->body.size);
    }
    input_stream_set_decorator(http->stream, write_answer, http);
    return input_stream_body(http->stream, answer->body.data, answer->body.size, answer->is_cut);
}

static int ask(struct http_input_state *http, const char *url)
{
    const struct http_input_options *options = http->options;
    struct http_request request = {
        .method = options->method,
        .url = url,
        .headers = (const char *const *)http->headers.lines,
        .body = is_given(options->body) ? options->body : NULL,
        .body_size = is_given(options->body) ? strlen(options->body) : 0,
    };
    struct http_answer answer;
    http->url = url;
    if (http_client_send(http->client, &request, http_wait_input, http->host, &answer) ==
        -ECANCELED)
        return -ECANCELED;
    input_host_count(http->host, REQUESTS, 1);
    return take_answer(http, &answer);
}

static int ask_all(struct http_input_state *http)
{
    const char *url;
    int rc = 0;
    for (size_t i = 0; rc == 0 && (url = url_at(http->options, i)) != NULL; i++)
        rc = ask(http, url);
    return rc;
}

static void run(void *state)
{
    struct http_input_state *http = state;
    uint64_t interval_ns = (uint64_t)http->options->ticker_interval * CLOCK_NS_PER_S;
    uint64_t next_ns = clock_mono_ns() + interval_ns;
    for (;;) {
        uint64_t now_ns = clock_mono_ns();
        uint64_t left_ms = next_ns > now_ns ? (next_ns - now_ns) / CLOCK_NS_PER_MS + 1 : 0;
        int wait_ms = left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
        if (input_host_wait(http->host, NULL, 0, wait_ms) < 0)
            return;
        if (clock_mono_ns() < next_ns)
            continue;
        if (ask_all(http) != 0)
            return;
        now_ns = clock_mono_ns();
        next_ns = next_ns + interval_ns > now_ns ? next_ns + interval_ns : now_ns + interval_ns;
    }
}

static void fini(void *state)
{
    struct http_input_state *http = state;
    http_client_free(http->client);
    http_headers_fini(&http->headers);
    input_stream_free(http->stream);
}

const struct input_ops http_input = {
    .plugin = {PLUGIN_ABI, "HttpInput", &schema, sizeof(struct http_input_options),
               sizeof(struct http_input_state)},
    .default_splitter = "NullSplitter",
    .counters = counters,
    .check = check,
    .init = init,
    .run = run,
    .fini = fini,
};
