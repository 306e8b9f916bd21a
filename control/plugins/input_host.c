/* SPDX-License-Identifier: MPL-2.0 */
#include "control/plugins/input_host.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "control/plugins/input_decoder.h"
#include "control/plugins/input_stream.h"
#include "control/lanes/producer.h"
#include "control/plugins/retry.h"
#include "control/stat_accum.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    WAIT_FDS_MAX = 8,
    FAILURE_SIZE = 256,
    WAIT_MS_MAX = 100 /* so that a plan is adopted, and counters are shown, at least so often */
};

struct input_host {
    const struct input_instance *instance;
    const struct hekad_globals *globals;
    struct producer *producer;
    struct stat_accums *accums;
    struct dynamic *dynamic;
    void *state;
    bool is_initialised;

    pthread_t thread;
    bool has_thread;
    struct retry retry;
    bool has_failed;
    char failure[FAILURE_SIZE];
    pthread_mutex_t state_lock; /* while a restart replaces the state */
    int stop_fd;                /* readable when it has to end */
    _Atomic bool stopping, ended;

    _Atomic uint64_t named[INPUT_COUNTERS_MAX];
};

/* ---- for the instance ---- */

const char *input_host_name(const struct input_host *host)
{
    return host->instance->name;
}

struct counters *input_host_counters(struct input_host *host)
{
    return producer_ledger(host->producer);
}

void input_host_count(struct input_host *host, unsigned index, uint64_t n)
{
    CHECK(index < INPUT_COUNTERS_MAX);
    atomic_fetch_add_explicit(&host->named[index], n, memory_order_relaxed);
}

void input_host_set(struct input_host *host, unsigned index, uint64_t value)
{
    CHECK(index < INPUT_COUNTERS_MAX);
    atomic_store_explicit(&host->named[index], value, memory_order_relaxed);
}

bool input_host_stopping(const struct input_host *host)
{
    return atomic_load_explicit(&host->stopping, memory_order_relaxed);
}

int input_host_wait(struct input_host *host, struct pollfd *fds, unsigned count, int timeout_ms)
{
    struct pollfd all[WAIT_FDS_MAX];
    CHECK(count + 2 <= WAIT_FDS_MAX);
    if (producer_turn(host->producer) != 0 || input_host_stopping(host))
        return -ECANCELED;
    for (unsigned i = 0; i < count; i++)
        all[i] = fds[i];
    all[count] = (struct pollfd){.fd = host->stop_fd, .events = POLLIN};
    all[count + 1] = (struct pollfd){.fd = producer_wake_fd(host->producer), .events = POLLIN};
    if (timeout_ms < 0 || timeout_ms > WAIT_MS_MAX)
        timeout_ms = WAIT_MS_MAX;
    poll(all, count + 2, timeout_ms);
    int ready = 0;
    for (unsigned i = 0; i < count; i++) {
        fds[i].revents = all[i].revents;
        ready += fds[i].revents != 0;
    }
    if (all[count + 1].revents != 0 && producer_turn(host->producer) != 0)
        return -ECANCELED;
    return input_host_stopping(host) ? -ECANCELED : ready;
}

/* Every code but this one is a message that has ended under a name. */
static int result_of(int code)
{
    return code == PRODUCER_E_STOPPED ? -ECANCELED : 0;
}

int input_host_fail(struct input_host *host, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(host->failure, sizeof(host->failure), format, args);
    va_end(args);
    host->has_failed = true;
    return code;
}

void input_host_begin(struct input_host *host, struct msg_builder *builder, uint64_t timestamp_ns)
{
    producer_begin(host->producer, builder, timestamp_ns);
}

int input_host_inject(struct input_host *host, const struct msg_builder *builder,
                      const char *signer)
{
    struct producer_source source = {.ingest_ns = clock_wall_ns(), .signer = signer};
    return result_of(producer_inject(host->producer, builder, &source));
}

int input_host_inject_at(struct input_host *host, const struct msg_builder *builder,
                         const char *signer, uint64_t ingest_ns)
{
    struct producer_source source = {.ingest_ns = ingest_ns, .signer = signer};
    return result_of(producer_inject(host->producer, builder, &source));
}

int input_host_inject_bytes(struct input_host *host, const void *bytes, size_t size,
                            const char *signer)
{
    struct producer_source source = {.ingest_ns = clock_wall_ns(), .signer = signer};
    return result_of(producer_inject_bytes(host->producer, bytes, size, &source));
}

int input_host_flush(struct input_host *host)
{
    return result_of(producer_turn(host->producer));
}

size_t input_host_message_max(const struct input_host *host)
{
    return producer_message_max(host->producer);
}

const char *input_host_hostname(const struct input_host *host)
{
    return producer_hostname(host->producer);
}

const char *input_host_base_dir(const struct input_host *host)
{
    return host->globals->base_dir;
}

const char *input_host_share_dir(const struct input_host *host)
{
    return host->globals->share_dir;
}

static void begin_decoded(void *context, struct msg_builder *builder, uint64_t timestamp_ns)
{
    input_host_begin(context, builder, timestamp_ns);
}

static int inject_decoded(void *context, const struct msg_builder *builder, const char *signer)
{
    return input_host_inject(context, builder, signer);
}

static struct counters *counters_of(void *context)
{
    return input_host_counters(context);
}

/* ProtobufDecoder's records are messages already: the stream takes them as they are. */
static int make_decoder(struct input_host *host, struct input_decoder **out, struct err *err)
{
    const struct input_instance *instance = host->instance;
    *out = NULL;
    if (instance->decoder == NULL ||
        (decoder_program_type(instance->decoder->program) == &protobuf_decoder &&
         instance->splitter->common.use_message_bytes))
        return 0;
    struct input_decoder_config config = {
        .host = {host, instance->name, begin_decoded, inject_decoded, counters_of},
        .program = instance->decoder->program,
        .options = &instance->common,
        .message_max = input_host_message_max(host),
    };
    *out = input_decoder_new(&config, err);
    return *out != NULL ? 0 : -1;
}

struct input_stream *input_host_stream(struct input_host *host, struct err *err)
{
    struct input_decoder *decoder;
    if (make_decoder(host, &decoder, err) != 0)
        return NULL;
    struct input_stream_config config = {
        .take_decoder = decoder,
        .host = host,
        .splitter = &host->instance->splitter->splitter,
        .type = host->instance->name,
    };
    return input_stream_new(&config, err);
}

struct stat_accum *input_host_accum(struct input_host *host, const char *name, struct err *err)
{
    return stat_accums_get(host->accums, name, err);
}

struct dynamic *input_host_dynamic(struct input_host *host)
{
    return host->dynamic;
}

/* ---- its life ---- */

static int alloc_parts(struct input_host *host)
{
    host->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    host->state = calloc(1, host->instance->ops->plugin.state_size + 1);
    return host->stop_fd >= 0 && host->state != NULL ? 0 : -1;
}

/* What init says names options; who reads it wants to know of which input. */
static int init_instance(struct input_host *host, struct err *err)
{
    struct err *found = calloc(1, sizeof(*found));
    if (found == NULL)
        return err_add(err, "out of memory");
    const struct input_instance *instance = host->instance;
    host->is_initialised = true;
    int rc = instance->ops->init(host->state, instance->options, host, found);
    for (unsigned i = 0; i < found->count && i < ERR_LIST_MAX; i++)
        err_add(err, "Input '%s' failed to start: %s", instance->name, found->texts[i]);
    free(found);
    return rc;
}

struct input_host *input_host_new(const struct input_host_config *config, struct err *err)
{
    struct input_host *host = calloc(1, sizeof(*host));
    if (host == NULL) {
        err_add(err, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&host->state_lock, NULL);
    host->instance = config->instance;
    host->globals = config->globals;
    host->producer = config->producer;
    host->accums = config->accums;
    host->dynamic = config->dynamic;
    if (alloc_parts(host) != 0)
        err_add(err, "Input '%s' failed to start: %s", host->instance->name, strerror(errno));
    else if (init_instance(host, err) == 0)
        return host;
    input_host_free(host);
    return NULL;
}

/* ---- its thread ---- */

/* False when it has to end. */
static bool wait_ns(struct input_host *host, uint64_t ns)
{
    uint64_t until_ns = clock_mono_ns() + ns;
    for (uint64_t now_ns; (now_ns = clock_mono_ns()) < until_ns;)
        if (input_host_wait(host, NULL, 0, (int)((until_ns - now_ns) / CLOCK_NS_PER_MS) + 1) < 0)
            return false;
    return true;
}

static int init_again(struct input_host *host)
{
    const struct input_ops *ops = host->instance->ops;
    pthread_mutex_lock(&host->state_lock);
    if (ops->fini != NULL)
        ops->fini(host->state);
    memset(host->state, 0, ops->plugin.state_size);
    struct err *err = calloc(1, sizeof(*err));
    int rc = ops->init(host->state, host->instance->options, host, err);
    pthread_mutex_unlock(&host->state_lock);
    host->has_failed = false;
    if (rc != 0)
        input_host_fail(host, rc, "%s", err != NULL && err->count > 0 ? err->texts[0] : "init");
    free(err);
    return rc;
}

/* False: it ends for good. */
static bool restart(struct input_host *host)
{
    const struct retry_options *options = &host->instance->common.retries;
    const char *name = host->instance->name;
    uint64_t ns;
    while (host->has_failed && !input_host_stopping(host)) {
        log_error("Input '%s' error: %s", name, host->failure);
        if (!host->instance->ops->restarts)
            return false;
        if (!retry_next(&host->retry, options, clock_mono_ns(), &ns)) {
            log_error("Input '%s' error: Max retries exceeded", name);
            return false;
        }
        if (!wait_ns(host, ns))
            return false;
        log_info("Input '%s': Restarting (attempt %u/%lld)", name, host->retry.times,
                 (long long)options->max_retries);
        if (init_again(host) == 0)
            return true;
    }
    return false;
}

static void *run(void *arg)
{
    struct input_host *host = arg;
    do {
        retry_begin(&host->retry, clock_mono_ns());
        host->instance->ops->run(host->state);
    } while (restart(host));
    producer_turn(host->producer);
    atomic_store_explicit(&host->ended, true, memory_order_release);
    return NULL;
}

int input_host_start(struct input_host *host)
{
    int rc = pthread_create(&host->thread, NULL, run, host);
    if (rc == 0)
        host->has_thread = true;
    return -rc;
}

void input_host_stop(struct input_host *host)
{
    uint64_t one = 1;
    atomic_store_explicit(&host->stopping, true, memory_order_relaxed);
    if (write(host->stop_fd, &one, sizeof(one)) < 0)
        log_error("Input '%s': %s", host->instance->name, strerror(errno));
}

bool input_host_has_ended(const struct input_host *host)
{
    return !host->has_thread || atomic_load_explicit(&host->ended, memory_order_acquire);
}

const char *input_host_failure(const struct input_host *host)
{
    return host->failure;
}

bool input_host_ends_last(const struct input_host *host)
{
    return host->instance->ops->ends_last;
}

void input_host_free(struct input_host *host)
{
    if (host == NULL)
        return;
    if (host->has_thread)
        pthread_join(host->thread, NULL);
    if (host->is_initialised && host->instance->ops->fini != NULL)
        host->instance->ops->fini(host->state);
    if (host->stop_fd >= 0)
        close(host->stop_fd);
    pthread_mutex_destroy(&host->state_lock);
    free(host->state);
    free(host);
}

/* ---- what it says ---- */

struct producer *input_host_producer(struct input_host *host)
{
    return host->producer;
}

void input_host_status(struct input_host *host, struct input_status *status)
{
    const struct input_ops *ops = host->instance->ops;
    if (ops->observe != NULL) {
        pthread_mutex_lock(&host->state_lock);
        ops->observe(host->state);
        pthread_mutex_unlock(&host->state_lock);
    }
    *status = (struct input_status){
        .name = host->instance->name,
        .type = ops->plugin.name,
        .has_ended = input_host_has_ended(host),
        .counters = ops->counters,
    };
    for (unsigned i = 0; i < INPUT_COUNTERS_MAX; i++)
        status->counter_values[i] = atomic_load_explicit(&host->named[i], memory_order_relaxed);
}

void input_host_report(struct input_host *host, struct json_t *fields)
{
    if (host->instance->ops->report == NULL)
        return;
    pthread_mutex_lock(&host->state_lock);
    host->instance->ops->report(host->state, fields);
    pthread_mutex_unlock(&host->state_lock);
}

void input_host_talkers(struct input_host *host, struct talkers *talkers)
{
    if (host->instance->ops->talkers == NULL)
        return;
    pthread_mutex_lock(&host->state_lock);
    host->instance->ops->talkers(host->state, talkers);
    pthread_mutex_unlock(&host->state_lock);
}
