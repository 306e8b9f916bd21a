/* SPDX-License-Identifier: MPL-2.0
 *
 * logstreamer_input.c - LogstreamerInput: lines of rotated log files as messages.
 *
 * Place:   builtin_inputs; control/logstreamer/ is the engine.
 * Threads: the host's for all streams. While the lane is full it does not read.
 * Memory:  one buffer for all streams: what a stream did not consume is read again.
 * Failure: records: the stage `text`; files: its counters, and the log. A position is saved when
 *          its messages are in the lane: a hekad that was killed reads some lines again, none is
 *          left out.
 * Bounds:  LOGSTREAM_STREAMS_MAX streams, OPEN_FILES_MAX open files, REPORT_ROWS_MAX streams in
 *          status.
 * Source:  Heka 0.11 LogstreamerInput. New streams start at their beginning, with initial_tail too.
 */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "control/folder.h"
#include "control/plugins/input_stream.h"
#include "control/inputs/inputs.h"
#include "control/logstreamer/logstream_options.h"
#include "control/trouble.h"
#include "core/clock.h"
#include "core/log.h"

enum {
    CHUNK_SIZE = 128 * 1024,
    CHUNKS_IN_TURN = 8, /* of one stream, before the next has its turn */
    OPEN_FILES_MAX = 512,
    REPORT_ROWS_MAX = 100,
    REPORT_PATH_SIZE = 512,
    JOURNAL_MODE = 0744,
    SAVE_MS = 10,     /* while there is always more to read */
    PAUSE_MS = 1000,  /* then a group of lines is whole */
    SCAN_MS_MIN = 50, /* between two scans */
    SCAN_SHARE = 4,   /* a scan is not made in less than so many times what it takes */
    NOTES_IN_LOG = 8
};

enum {
    STREAMS,
    OPEN_FILES,
    BYTES,
    OPENS,
    MOVES,
    TRUNCATIONS,
    LOSSES,
    DAMAGES,
    READ_ERRORS,
    SAVES,
    SAVE_ERRORS,
    SCANS,
    SCAN_ERRORS
};
static const struct input_counter counters[] = {
    [STREAMS] = {"streams", "streams that there are"},
    [OPEN_FILES] = {"open_files", "files that are open"},
    [BYTES] = {"bytes", "bytes of records, with what separates them; uncompressed"},
    [OPENS] = {"opens", "files opened"},
    [MOVES] = {"moves", "times that a file was found again under another name"},
    [TRUNCATIONS] = {"truncations", "times that a file was cut off while it was read"},
    [LOSSES] = {"positions_lost", "journals whose place was in no file any more"},
    [DAMAGES] = {"damaged", "gzip files that end too early or are damaged"},
    [READ_ERRORS] = {"read_errors", "times that a file could not be opened or read"},
    [SAVES] = {"saves", "positions written"},
    [SAVE_ERRORS] = {"save_errors", "times that this failed"},
    [SCANS] = {"scans", "times that the folder was searched"},
    [SCAN_ERRORS] = {"scan_errors", "what was wrong with its files, each time"},
    {NULL, NULL},
};

struct source { /* the input's part of a stream */
    struct input_stream *records;
    uint64_t data_ns; /* when data came last */
    bool is_paused;   /* nothing came since that was told */
    bool had_open_file;
};

struct report_row {
    char name[LOGSTREAM_NAME_SIZE], path[REPORT_PATH_SIZE];
    uint64_t seek;
};

struct logstreamer_state {
    struct input_host *host;
    const struct logstreamer_options *options;
    struct logstream_set_config config;
    char journal_dir[PATH_MAX];
    struct logstream_set set;
    char *chunk;
    size_t chunk_size;
    unsigned open_files;
    bool wants_scan;
    uint64_t last_scan_ns, last_save_ns, last_notes;
    struct trouble read_trouble, save_trouble;

    pthread_mutex_t report_lock;
    bool has_lock;
    struct report_row *rows;
    unsigned row_count;
};

/* ---- configuration ---- */

/* What Heka calls an error when it loads: streams that cannot be sorted. Files that have no place
 * in the order are none. */
static int scan_once(const struct logstream_set_config *config, struct err *err)
{
    struct logstream_set set;
    struct err *notes = calloc(1, sizeof(*notes));
    int rc = 0;
    if (notes == NULL)
        return err_add(err, "out of memory");
    if (logstream_set_init(&set, config, err) != 0) {
        free(notes);
        return -1;
    }
    if (logstream_set_scan(&set, notes) != 0)
        rc = err_add(err, "log_directory: out of memory");
    unsigned left = set.unsorted_count;
    for (unsigned i = 0; i < notes->count && i < ERR_LIST_MAX; i++) {
        if (!logstream_is_unsorted(notes->texts[i]))
            continue;
        rc = err_add(err, "priority: %s", notes->texts[i]);
        left--;
    }
    if (left > 0)
        rc = err_add(err, "priority: %u more streams have multiple logfiles to sort", left);
    logstream_set_fini(&set);
    free(notes);
    return rc;
}

static int check(const void *config, struct err *err)
{
    const struct logstreamer_options *options = config;
    struct logstream_set_config set;
    if (options->file_match == NULL) /* missing: said so already */
        return -1;
    logstreamer_options_config(options, "stream", NULL, &set);
    int rc = scan_once(&set, err);
    if (options->journal_directory != NULL)
        rc |= folder_check(options->journal_directory, "journal_directory", err);
    return rc;
}

/* ---- scanning ---- */

static void log_notes(struct logstreamer_state *state, const struct err *notes)
{
    uint64_t sum = notes->count;
    for (unsigned i = 0; i < notes->count && i < ERR_LIST_MAX; i++) {
        for (const char *at = notes->texts[i]; *at != '\0'; at++)
            sum = sum * 31 + (unsigned char)*at;
    }
    if (sum == state->last_notes) /* said already */
        return;
    state->last_notes = sum;
    for (unsigned i = 0; i < notes->count && i < NOTES_IN_LOG; i++)
        log_error("Input '%s' error: %s", input_host_name(state->host), notes->texts[i]);
    if (notes->count > NOTES_IN_LOG)
        log_error("Input '%s' error: and %u more", input_host_name(state->host),
                  notes->count - NOTES_IN_LOG);
}

static struct source *source_new(struct logstreamer_state *state, const struct logstream *stream,
                                 struct err *notes)
{
    const char *hostname = state->options->hostname;
    struct source *source = calloc(1, sizeof(*source));
    if (source == NULL)
        return NULL;
    source->records = input_host_stream(state->host, notes);
    if (source->records == NULL) {
        free(source);
        return NULL;
    }
    input_stream_set_source(source->records, "logfile", stream->name);
    input_stream_set_hostname(source->records, hostname != NULL && hostname[0] != '\0'
                                                   ? hostname
                                                   : input_host_hostname(state->host));
    return source;
}

static void source_free(struct source *source)
{
    if (source != NULL)
        input_stream_free(source->records);
    free(source);
}

static void drop_gone(struct logstreamer_state *state)
{
    for (unsigned i = state->set.stream_count; i > 0; i--) {
        struct logstream *stream = state->set.streams[i - 1];
        if (!stream->is_gone)
            continue;
        source_free(stream->user);
        logstream_set_drop(&state->set, i - 1);
    }
}

static void scan(struct logstreamer_state *state)
{
    struct err *notes = calloc(1, sizeof(*notes));
    state->wants_scan = false;
    if (notes == NULL || logstream_set_scan(&state->set, notes) != 0)
        err_add(notes, "out of memory");
    drop_gone(state);
    input_host_count(state->host, SCANS, 1);
    if (notes != NULL) {
        input_host_count(state->host, SCAN_ERRORS, notes->count);
        log_notes(state, notes);
    }
    input_host_set(state->host, STREAMS, state->set.stream_count);
    free(notes);
    state->last_scan_ns = clock_mono_ns();
}

/* True when it was. */
static bool scan_when_due(struct logstreamer_state *state)
{
    uint64_t now_ns = clock_mono_ns(), least_ns = SCAN_SHARE * state->set.scan_ns;
    if (least_ns < SCAN_MS_MIN * CLOCK_NS_PER_MS)
        least_ns = SCAN_MS_MIN * CLOCK_NS_PER_MS;
    if (logstream_set_has_changed(&state->set))
        state->wants_scan = true;
    uint64_t age_ns = now_ns - state->last_scan_ns;
    if (!(state->wants_scan && age_ns >= least_ns) &&
        age_ns < (uint64_t)state->options->rescan_interval)
        return false;
    scan(state);
    return true;
}

/* ---- saving ---- */

static int save_all(struct logstreamer_state *state)
{
    int rc = input_host_flush(state->host);
    if (rc != 0)
        return rc;
    state->last_save_ns = clock_mono_ns();
    bool has_failed = false;
    for (unsigned i = 0; i < state->set.stream_count; i++) {
        struct logstream *stream = state->set.streams[i];
        uint64_t saved = stream->save_count;
        rc = logstream_save(stream);
        input_host_count(state->host, SAVES, stream->save_count - saved);
        if (rc == 0)
            continue;
        has_failed = true;
        input_host_count(state->host, SAVE_ERRORS, 1);
        trouble_say(&state->save_trouble, "%s/%s: %s", state->journal_dir, stream->name,
                    strerror(-rc));
    }
    if (!has_failed)
        trouble_end(&state->save_trouble);
    return 0;
}

/* ---- reading ---- */

static void count_events(struct logstreamer_state *state, struct logstream *stream)
{
    static const unsigned counter_of[LOGSTREAM_EVENTS] = {
        [LOGSTREAM_OPENED] = OPENS,          [LOGSTREAM_MOVED] = MOVES,
        [LOGSTREAM_TRUNCATED] = TRUNCATIONS, [LOGSTREAM_LOST] = LOSSES,
        [LOGSTREAM_DAMAGED] = DAMAGES,
    };
    if (stream->events[LOGSTREAM_LOST] > 0)
        log_error("Input '%s' error: stream '%s': its position is in no file any more, it goes on "
                  "with %s",
                  input_host_name(state->host), stream->name, stream->position.path);
    if (stream->events[LOGSTREAM_DAMAGED] > 0)
        log_error("Input '%s' error: stream '%s': %s: the compressed data is damaged or incomplete",
                  input_host_name(state->host), stream->name, stream->position.path);
    for (unsigned i = 0; i < LOGSTREAM_EVENTS; i++) {
        if (stream->events[i] > 0)
            input_host_count(state->host, counter_of[i], stream->events[i]);
        stream->events[i] = 0;
    }
}

static int take_bytes(struct logstreamer_state *state, struct logstream *stream, size_t size,
                      enum split_source from)
{
    struct source *source = stream->user;
    size_t consumed;
    int rc = input_stream_bytes(source->records, state->chunk, size, from, &consumed);
    if (rc != 0)
        return rc; /* what was not passed on is read again */
    input_host_count(state->host, BYTES, consumed);
    return logstream_consume(stream, state->chunk, size, consumed);
}

/* What was read and is no whole record: the end of a file, or a pause. */
static int take_rest(struct logstreamer_state *state, struct logstream *stream,
                     enum split_source from)
{
    size_t got;
    int rc = logstream_rest(stream, state->chunk, state->chunk_size, &got);
    return rc == 0 ? take_bytes(state, stream, got, from) : rc;
}

static int be_idle(struct logstreamer_state *state, struct logstream *stream)
{
    struct source *source = stream->user;
    uint64_t wait_ns = (uint64_t)state->options->check_data_interval;
    bool ends = input_stream_delivers_final(source->records);
    if (wait_ns < PAUSE_MS * CLOCK_NS_PER_MS)
        wait_ns = PAUSE_MS * CLOCK_NS_PER_MS;
    if (source->is_paused || clock_mono_ns() - source->data_ns < wait_ns)
        return 0;
    source->is_paused = true;
    if (logstream_has_rest(stream))
        return take_rest(state, stream, ends ? SPLIT_ENDS : SPLIT_PAUSES);
    return 0;
}

static int say_trouble(struct logstreamer_state *state, const struct logstream *stream, int rc)
{
    if (rc == -ECANCELED)
        return rc;
    input_host_count(state->host, READ_ERRORS, 1);
    trouble_say(&state->read_trouble, "stream '%s': %s: %s", stream->name, stream->position.path,
                strerror(-rc));
    return 0;
}

/* 1: there is more, 0: not now, or -ECANCELED. */
static int read_chunk(struct logstreamer_state *state, struct logstream *stream)
{
    struct source *source = stream->user;
    size_t got;
    int rc = logstream_read(stream, state->chunk, state->chunk_size, &got);
    switch (rc) {
    case LOGSTREAM_DATA:
        source->data_ns = clock_mono_ns();
        source->is_paused = false;
        rc = take_bytes(state, stream, got, SPLIT_GOES_ON);
        return rc != 0 ? say_trouble(state, stream, rc) : 1;
    case LOGSTREAM_ENDS:
        rc = logstream_has_rest(stream) ? take_rest(state, stream, SPLIT_ENDS) : 0;
        if (rc == 0)
            rc = save_all(state);
        if (rc != 0)
            return say_trouble(state, stream, rc);
        logstream_next(stream);
        return 1;
    case LOGSTREAM_RESCAN:
        state->wants_scan = true;
        return 0;
    case LOGSTREAM_IDLE:
        rc = be_idle(state, stream);
        return rc != 0 ? say_trouble(state, stream, rc) : 0;
    default:
        return say_trouble(state, stream, rc);
    }
}

static void count_open(struct logstreamer_state *state, struct logstream *stream)
{
    struct source *source = stream->user;
    if (stream->file.is_open != source->had_open_file)
        state->open_files += stream->file.is_open ? 1U : -1U;
    source->had_open_file = stream->file.is_open;
}

static int read_stream(struct logstreamer_state *state, struct logstream *stream)
{
    int rc = 1;
    if (stream->user == NULL)
        stream->user = source_new(state, stream, NULL);
    if (stream->user == NULL) {
        input_host_count(state->host, READ_ERRORS, 1);
        return 0;
    }
    for (unsigned i = 0; rc == 1 && i < CHUNKS_IN_TURN; i++)
        rc = input_host_stopping(state->host) ? -ECANCELED : read_chunk(state, stream);
    if (rc == 0 && state->open_files >= OPEN_FILES_MAX)
        logstream_park(stream);
    count_open(state, stream);
    count_events(state, stream);
    return rc;
}

/* ---- what it says ---- */

static void update_report(struct logstreamer_state *state)
{
    pthread_mutex_lock(&state->report_lock);
    state->row_count = 0;
    for (unsigned i = 0; i < state->set.stream_count && i < REPORT_ROWS_MAX; i++) {
        const struct logstream *stream = state->set.streams[i];
        struct report_row *row = &state->rows[state->row_count++];
        snprintf(row->name, sizeof(row->name), "%s", stream->name);
        snprintf(row->path, sizeof(row->path), "%.*s", REPORT_PATH_SIZE - 1, stream->position.path);
        row->seek = stream->position.seek;
    }
    pthread_mutex_unlock(&state->report_lock);
    input_host_set(state->host, OPEN_FILES, state->open_files);
}

static void report(void *memory, struct json_t *fields)
{
    struct logstreamer_state *state = memory;
    char key[LOGSTREAM_NAME_SIZE + 16];
    pthread_mutex_lock(&state->report_lock);
    for (unsigned i = 0; i < state->row_count; i++) {
        const struct report_row *row = &state->rows[i];
        snprintf(key, sizeof(key), "%s-filename", row->name);
        json_object_set_new(fields, key, json_string(row->path));
        snprintf(key, sizeof(key), "%s-bytes", row->name);
        json_object_set_new(fields, key, json_integer((json_int_t)row->seek));
    }
    pthread_mutex_unlock(&state->report_lock);
}

/* ---- the input ---- */

static int set_journal_dir(struct logstreamer_state *state, struct err *err)
{
    const char *given = state->options->journal_directory;
    int len = given != NULL && given[0] != '\0'
                  ? snprintf(state->journal_dir, sizeof(state->journal_dir), "%s", given)
                  : snprintf(state->journal_dir, sizeof(state->journal_dir), "%s/logstreamer",
                             input_host_base_dir(state->host));
    if (len < 0 || (size_t)len >= sizeof(state->journal_dir))
        return err_add(err, "journal_directory: the path is too long");
    int rc = folder_make(state->journal_dir, JOURNAL_MODE);
    return rc == 0 ? 0
                   : err_add(err, "journal_directory: %s: %s", state->journal_dir, strerror(-rc));
}

static int alloc_parts(struct logstreamer_state *state, struct err *err)
{
    struct input_stream *records = input_host_stream(state->host, err);
    if (records == NULL)
        return -1;
    state->chunk_size = 2 * input_stream_bytes_min(records);
    if (state->chunk_size < CHUNK_SIZE)
        state->chunk_size = CHUNK_SIZE;
    input_stream_free(records);
    state->chunk = malloc(state->chunk_size);
    state->rows = calloc(REPORT_ROWS_MAX, sizeof(*state->rows));
    return state->chunk != NULL && state->rows != NULL ? 0 : err_add(err, "out of memory");
}

/* The journals are read when it runs: until then another one may read the same files, in a
 * reload. */
static int init(void *memory, const void *config, struct input_host *host, struct err *err)
{
    struct logstreamer_state *state = memory;
    state->host = host;
    state->options = config;
    state->set.watch_fd = -1;
    state->read_trouble.name = state->save_trouble.name = input_host_name(host);
    state->has_lock = pthread_mutex_init(&state->report_lock, NULL) == 0;
    logstreamer_options_config(state->options, input_host_name(host), NULL, &state->config);
    if (!state->has_lock || set_journal_dir(state, err) != 0 || alloc_parts(state, err) != 0 ||
        scan_once(&state->config, err) != 0)
        return -1;
    state->config.journal_dir = state->journal_dir;
    return logstream_set_init(&state->set, &state->config, err);
}

/* All streams in turn: 1 when one of them has more, 0, or -ECANCELED. */
static int read_all(struct logstreamer_state *state)
{
    int more = 0;
    uint64_t failures = state->read_trouble.failures;
    for (unsigned i = 0; i < state->set.stream_count; i++) {
        int rc = read_stream(state, state->set.streams[i]);
        if (rc < 0)
            return rc;
        more |= rc;
    }
    if (failures == state->read_trouble.failures)
        trouble_end(&state->read_trouble);
    if (!more || clock_mono_ns() - state->last_save_ns > SAVE_MS * CLOCK_NS_PER_MS) {
        int rc = save_all(state);
        if (rc != 0)
            return rc;
        update_report(state);
    }
    return more;
}

/* Until it is time to look for data, or something has changed in the folders. 0 or -ECANCELED. */
static int wait(struct logstreamer_state *state)
{
    uint64_t start_ns = clock_mono_ns(),
             interval_ns = (uint64_t)state->options->check_data_interval;
    uint64_t passed_ns = 0;
    while (passed_ns < interval_ns) {
        struct pollfd fd = {.fd = state->set.watch_fd, .events = POLLIN};
        uint64_t left_ms = (interval_ns - passed_ns) / CLOCK_NS_PER_MS + 1;
        bool watches = fd.fd >= 0 && !state->wants_scan;
        int rc = input_host_wait(state->host, &fd, watches, left_ms < 1000 ? (int)left_ms : 1000);
        if (rc < 0)
            return rc;
        if (scan_when_due(state) || rc > 0)
            return 0;
        passed_ns = clock_mono_ns() - start_ns;
    }
    return 0;
}

static void run(void *memory)
{
    struct logstreamer_state *state = memory;
    int rc = 0;
    logstream_set_watch(&state->set);
    scan(state);
    while (rc >= 0) {
        rc = read_all(state);
        if (rc > 0)
            rc = input_host_wait(state->host, NULL, 0, 0);
        else if (rc == 0)
            rc = wait(state);
        if (rc >= 0)
            scan_when_due(state);
    }
    save_all(state);
}

static void fini(void *memory)
{
    struct logstreamer_state *state = memory;
    for (unsigned i = 0; i < state->set.stream_count; i++)
        source_free(state->set.streams[i]->user);
    logstream_set_fini(&state->set);
    free(state->chunk);
    free(state->rows);
    if (state->has_lock)
        pthread_mutex_destroy(&state->report_lock);
}

const struct input_ops logstreamer_input = {
    .plugin = {PLUGIN_ABI, "LogstreamerInput", &logstreamer_schema,
               sizeof(struct logstreamer_options), sizeof(struct logstreamer_state)},
    .default_splitter = "TokenSplitter",
    .counters = counters,
    .check = check,
    .init = init,
    .run = run,
    .report = report,
    .fini = fini,
};
