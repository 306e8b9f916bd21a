/* SPDX-License-Identifier: MPL-2.0
 *
 * flood_main.c - heka-flood: load for a Heka, with exact totals.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/tools/flood.h"
#include "control/tools/tool_option.h"
#include "control/tools/tool_sender.h"
#include "core/buffer.h"
#include "core/clock.h"
#include "core/log.h"

enum { BATCH_SIZE = 64 << 10, HOSTNAME_SIZE = 256, RECONNECTS_MAX = 1000 };

struct totals {
    uint64_t messages[FLOOD_KINDS];
    uint64_t count, bytes;
};

struct run {
    const struct flood_config *config;
    struct tls_context *tls; /* NULL: none */
    struct flood flood;
    struct tool_sender sender;
    struct buffer batch;
    struct totals made;      /* in the batch */
    struct totals delivered; /* the kernel has them */
    struct totals shown;     /* at shown_ns */
    uint64_t shown_ns, reconnects, failed;
};

static volatile sig_atomic_t is_stopped;

static void stop(int number)
{
    (void)number;
    is_stopped = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop}; /* no SA_RESTART: pauses end */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void pause_ns(uint64_t ns)
{
    struct timespec wait = {(time_t)(ns / CLOCK_NS_PER_S), (long)(ns % CLOCK_NS_PER_S)};
    if (ns > 0 && !is_stopped)
        nanosleep(&wait, NULL);
}

/* ---- totals ---- */

static void add_totals(struct totals *to, const struct totals *from)
{
    for (unsigned i = 0; i < FLOOD_KINDS; i++)
        to->messages[i] += from->messages[i];
    to->count += from->count;
    to->bytes += from->bytes;
}

static void show_rate(struct run *run, uint64_t now_ns)
{
    if (now_ns - run->shown_ns < CLOCK_NS_PER_S)
        return;
    double elapsed = (double)(now_ns - run->shown_ns) / 1e9;
    double messages = (double)(run->delivered.count - run->shown.count);
    double bytes = (double)(run->delivered.bytes - run->shown.bytes);
    log_info("Sent %" PRIu64 " messages. %.2f msg/sec %.2f Mbit/sec", run->delivered.count,
             messages / elapsed, bytes * 8 / 1e6 / elapsed);
    run->shown = run->delivered;
    run->shown_ns = now_ns;
}

static void print_totals(const struct run *run)
{
    const struct totals *totals = &run->delivered;
    log_info("Clean shutdown: %" PRIu64 " messages sent; %" PRIu64 " messages delivered.",
             totals->count + run->failed, totals->count);
    for (unsigned i = 0; i < FLOOD_KINDS; i++)
        printf("%s: %" PRIu64 "\n", flood_kind_name((enum flood_kind)i), totals->messages[i]);
    printf("bytes: %" PRIu64 "\n", totals->bytes);
    if (run->failed > 0)
        printf("failed: %" PRIu64 "\n", run->failed);
    if (run->reconnects > 0)
        printf("reconnects: %" PRIu64 " (messages under way may be lost, or there twice)\n",
               run->reconnects);
}

/* ---- sending ---- */

static int connect_again(struct run *run, struct err *err)
{
    if (!run->config->reconnect_on_error)
        return -1;
    do {
        struct err why = {0};
        if (is_stopped)
            return -1;
        if (++run->reconnects > RECONNECTS_MAX)
            return err_add(err, "%d connections failed", RECONNECTS_MAX);
        pause_ns((uint64_t)run->config->reconnect_interval * CLOCK_NS_PER_S);
        tool_sender_open(&run->sender, run->config->ip_address, run->config->sender == FLOOD_UDP,
                         run->tls, &why);
        err_print(&why, stderr);
    } while (run->sender.fd < 0);
    return 0;
}

static int send_batch(struct run *run, struct err *err)
{
    if (run->batch.size == 0)
        return 0;
    for (;;) {
        struct err why = {0};
        if (tool_sender_send(&run->sender, run->batch.data, run->batch.size, &why) == 0)
            break;
        err_add(run->config->reconnect_on_error ? NULL : err, "%s", why.texts[0]);
        if (run->config->reconnect_on_error)
            log_error("Error sending message: %s", why.texts[0]);
        if (connect_again(run, err) != 0) {
            run->failed += run->made.count;
            return -1;
        }
    }
    add_totals(&run->delivered, &run->made);
    run->made = (struct totals){0};
    buffer_clear(&run->batch);
    return 0;
}

/* A datagram is a message; so is what goes at a pace. */
static int send_message(struct run *run, struct err *err)
{
    size_t size;
    enum flood_kind kind;
    if (flood_next(&run->flood, clock_wall_ns(), &size, &kind) != 0 ||
        buffer_append(&run->batch, run->flood.frame, size) != 0)
        return err_add(err, "heka-flood: a message cannot be made");
    run->made.messages[kind]++;
    run->made.count++;
    run->made.bytes += size;
    bool is_alone = run->config->sender == FLOOD_UDP || run->config->message_interval > 0;
    if ((is_alone || run->batch.size >= BATCH_SIZE) && send_batch(run, err) != 0)
        return -1;
    pause_ns((uint64_t)run->config->message_interval);
    return 0;
}

static int send_all(struct run *run, struct err *err)
{
    uint64_t limit = (uint64_t)run->config->num_messages;
    int rc = 0;
    run->shown_ns = clock_mono_ns();
    for (uint64_t i = 0; rc == 0 && !is_stopped && (limit == 0 || i < limit); i++) {
        rc = send_message(run, err);
        show_rate(run, clock_mono_ns());
    }
    if (rc == 0)
        rc = send_batch(run, err);
    return rc == 0 ? tool_sender_finish(&run->sender, err) : rc;
}

static int flood(const struct flood_config *config, struct err *err)
{
    char hostname[HOSTNAME_SIZE] = {0};
    gethostname(hostname, sizeof(hostname) - 1);
    struct flood_source source = {hostname, (int32_t)getpid()};
    struct run run = {.config = config, .sender = {.fd = -1}};
    if (flood_init(&run.flood, config, &source, err) != 0)
        return -1;
    int rc = config->use_tls ? tls_context_new(&config->tls, TLS_CLIENT, &run.tls, err) : 0;
    if (rc == 0)
        rc = tool_sender_open(&run.sender, config->ip_address, config->sender == FLOOD_UDP, run.tls,
                              err);
    if (rc == 0) {
        catch_signals();
        rc = send_all(&run, err);
        print_totals(&run);
    }
    tool_sender_close(&run.sender);
    tls_context_free(run.tls);
    buffer_fini(&run.batch);
    flood_fini(&run.flood);
    return rc;
}

static int load_and_flood(const char *path, const char *test, struct err *err)
{
    struct conf_doc *doc = NULL;
    struct flood_config config;
    if (toml_load(path, NULL, &doc, err) != 0)
        return -1;
    int rc = flood_config_read(doc, test, &config, err);
    if (rc == 0 && config.pprof_file[0] != '\0')
        log_info("pprof_file is ignored; a profile is made with perf(1)");
    if (rc == 0 && config.encoder[0] != '\0')
        log_info("encoder is ignored; messages are protobuf");
    if (rc == 0)
        rc = flood(&config, err);
    conf_doc_free(doc);
    return rc;
}

int main(int argc, char **argv)
{
    static struct err err;
    const char *config = "flood.toml", *test = "default";
    const struct tool_option options[] = {
        {"config", TOOL_TEXT, &config, 0, 0, "file with the tests, in TOML"},
        {"test", TOOL_TEXT, &test, 0, 0, "section of it"},
    };
    const struct tool tool = {"heka-flood", "sends messages as a load for Heka", "", options,
                              sizeof(options) / sizeof(options[0])};
    struct tool_arguments arguments;
    int rc = tool_parse(&tool, argc, argv, &arguments, &err);
    if (rc == 0 && !arguments.is_done) {
        if (arguments.operand_count > 0)
            rc = err_add(&err, "argument '%s' is not understood; see heka-flood -help",
                         arguments.operands[0]);
        else if (arguments.given == 0)
            tool_print_help(&tool, stdout); /* as Heka does */
        else
            rc = load_and_flood(config, test, &err);
    }
    err_print(&err, stderr);
    return rc != 0;
}
