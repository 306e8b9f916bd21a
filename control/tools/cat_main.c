/* SPDX-License-Identifier: MPL-2.0
 *
 * cat_main.c - heka-cat: messages of files, as text, JSON, frames or a number.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/tools/cat.h"
#include "control/tools/tool_option.h"

enum { /* exit status, as Heka's */
       EXIT_USAGE = 1,
       EXIT_MATCH = 2,
       EXIT_OPEN = 3,
       EXIT_OUTPUT = 4,
       EXIT_SEEK = 5,
       EXIT_READ = 6,
       EXIT_MEMORY = 7,
       EXIT_SIZE = 8
};

enum { TAIL_POLL_MS = 500, SKIP_SIZE = 65536 };

#define MESSAGE_MAX_DEFAULT (4 << 20)
#define MESSAGE_MAX_LIMIT   INT32_MAX /* of a message in protobuf */

struct arguments {
    const char *match, *format, *output;
    bool tail;
    int64_t offset, message_max;
};

struct input {
    int fd;
    bool tail;
    FILE *out;
};

static volatile sig_atomic_t is_stopped;

static void stop(int number)
{
    (void)number;
    is_stopped = 1;
}

/* A tail ends with its totals. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop}; /* no SA_RESTART: read() returns */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int64_t read_input(void *context, void *bytes, size_t size)
{
    struct input *input = context;
    while (!is_stopped) {
        ssize_t got = read(input->fd, bytes, size);
        if (got > 0 || (got == 0 && !input->tail))
            return got;
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0) {
            fflush(input->out);
            poll(NULL, 0, TAIL_POLL_MS);
        }
    }
    return 0;
}

/* A pipe cannot seek: its bytes are read. 0 or negative errno. */
static int seek_input(int fd, int64_t offset)
{
    static char bytes[SKIP_SIZE];
    if (offset == 0 || lseek(fd, offset, SEEK_SET) >= 0)
        return 0;
    if (errno != ESPIPE)
        return -errno;
    while (offset > 0 && !is_stopped) {
        ssize_t got = read(fd, bytes, offset < SKIP_SIZE ? (size_t)offset : SKIP_SIZE);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return -errno;
        offset -= got > 0 ? got : 0;
    }
    return 0;
}

/* ---- the end of one file and of all ---- */

static int fail(int status, struct err *err, const char *name, int rc)
{
    err_add(err, "%s: %s", name, strerror(-rc));
    return status;
}

static int fail_output(const struct arguments *arguments, struct err *err, int rc)
{
    return fail(EXIT_OUTPUT, err,
                arguments->output[0] != '\0' ? arguments->output : "standard output", rc);
}

static int read_file(struct cat *cat, const struct arguments *arguments, int fd, const char *name,
                     struct err *err)
{
    struct input input = {.fd = fd, .tail = arguments->tail, .out = cat->options.out};
    int rc = seek_input(fd, arguments->offset);
    if (rc != 0)
        return fail(EXIT_SEEK, err, name, rc);
    input.tail &= cat->options.format != CAT_COUNT;
    fprintf(cat->options.notes,
            "Input:%s  Offset:%" PRId64 "  Match:%s  Format:%s  Tail:%s  Output:%s\n", name,
            arguments->offset, arguments->match, arguments->format,
            arguments->tail ? "true" : "false", arguments->output);
    rc = cat_stream(cat, read_input, &input, (uint64_t)arguments->offset);
    if (rc == 0)
        return 0;
    if (cat->write_rc != 0)
        return fail_output(arguments, err, cat->write_rc);
    return fail(rc == -ENOMEM ? EXIT_MEMORY : EXIT_READ, err, name, rc);
}

static void print_totals(const struct cat *cat)
{
    const struct cat_counts *counts = &cat->counts;
    FILE *notes = cat->options.notes;
    fprintf(notes, "Processed: %" PRIu64 ", matched: %" PRIu64 " messages\n", counts->processed,
            counts->matched);
    if (counts->corrupt_bytes + counts->incomplete_bytes > 0)
        fprintf(notes,
                "Corrupt: %" PRIu64 " bytes in %" PRIu64 " places, %" PRIu64
                " messages not readable, %" PRIu64 " bytes incomplete at the end\n",
                counts->corrupt_bytes, counts->corrupt_places, counts->unreadable,
                counts->incomplete_bytes);
    if (counts->encode_failed > 0)
        fprintf(notes, "Not written: %" PRIu64 " messages, too long\n", counts->encode_failed);
    uint64_t limits = ruleset_scratch_limits(cat->scratch);
    if (limits > 0)
        fprintf(notes, "Given up at a limit: %" PRIu64 " expressions, as not matching\n", limits);
}

/* ---- files ---- */

static bool is_same_file(int fd, const char *path)
{
    struct stat in, out;
    return fstat(fd, &in) == 0 && stat(path, &out) == 0 && in.st_dev == out.st_dev &&
           in.st_ino == out.st_ino && S_ISREG(in.st_mode);
}

static int open_inputs(char **names, int count, int *fds, struct err *err)
{
    for (int i = 0; i < count; i++) {
        fds[i] =
            strcmp(names[i], "-") == 0 ? dup(STDIN_FILENO) : open(names[i], O_RDONLY | O_CLOEXEC);
        if (fds[i] < 0)
            return fail(EXIT_OPEN, err, names[i], -errno);
    }
    return 0;
}

static int open_output(const char *path, const int *fds, int count, FILE **out, struct err *err)
{
    *out = stdout;
    if (path[0] == '\0')
        return 0;
    for (int i = 0; i < count; i++) {
        if (is_same_file(fds[i], path))
            return err_add(err, "%s: is an input, too", path), EXIT_OUTPUT;
    }
    *out = fopen(path, "we");
    return *out != NULL ? 0 : fail(EXIT_OUTPUT, err, path, -errno);
}

static int read_files(struct cat *cat, const struct arguments *arguments, char **names,
                      const int *fds, int count, struct err *err)
{
    int status = 0;
    for (int i = 0; i < count && status == 0; i++)
        status = read_file(cat, arguments, fds[i], names[i], err);
    if (fflush(cat->options.out) != 0 && status == 0)
        status = fail_output(arguments, err, -errno);
    print_totals(cat);
    return status;
}

static enum cat_format format_of(const char *name)
{
    return strcmp(name, "json") == 0    ? CAT_JSON
           : strcmp(name, "heka") == 0  ? CAT_HEKA
           : strcmp(name, "count") == 0 ? CAT_COUNT
                                        : CAT_TXT;
}

static int run(const struct arguments *arguments, const struct tool_arguments *files,
               const struct ruleset *rules, int *fds, struct err *err)
{
    struct cat cat = {0};
    struct cat_options options = {
        .format = format_of(arguments->format),
        .message_max = (size_t)arguments->message_max,
        .rules = rules,
        .notes = stderr,
    };
    int status = open_inputs(files->operands, files->operand_count, fds, err);
    if (status == 0)
        status = open_output(arguments->output, fds, files->operand_count, &options.out, err);
    if (status != 0)
        return status;
    if (cat_init(&cat, &options) == 0)
        status = read_files(&cat, arguments, files->operands, fds, files->operand_count, err);
    else
        status = fail(EXIT_MEMORY, err, "heka-cat", -ENOMEM);
    cat_fini(&cat);
    if (options.out != stdout && fclose(options.out) != 0 && status == 0)
        status = fail_output(arguments, err, -errno);
    return status;
}

static int compile_and_run(const struct arguments *arguments, const struct tool_arguments *files,
                           struct err *err)
{
    struct ruleset *rules = NULL;
    struct rule_text rule = {"-match", arguments->match, NULL};
    if (ruleset_compile(&rule, 1, &rules, err) != 0)
        return EXIT_MATCH;
    int *fds = malloc((size_t)files->operand_count * sizeof(*fds));
    if (fds == NULL) {
        ruleset_free(rules);
        return fail(EXIT_MEMORY, err, "heka-cat", -ENOMEM);
    }
    for (int i = 0; i < files->operand_count; i++)
        fds[i] = -1;
    int status = run(arguments, files, rules, fds, err);
    for (int i = 0; i < files->operand_count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    free(fds);
    ruleset_free(rules);
    return status;
}

static int check(const struct arguments *arguments, const struct tool_arguments *files,
                 struct err *err)
{
    if (files->operand_count == 0)
        return err_add(err, "a file, or - for standard input, is missing; see heka-cat -help"),
               EXIT_USAGE;
    if (files->operand_count > 1 && (arguments->tail || arguments->offset > 0))
        return err_add(err, "-tail and -offset go with one file only"), EXIT_USAGE;
    if (arguments->message_max > MESSAGE_MAX_LIMIT)
        return err_add(err, "Message size is too large: %" PRId64 ", allowed 1 to %d",
                       arguments->message_max, MESSAGE_MAX_LIMIT),
               EXIT_SIZE;
    return 0;
}

int main(int argc, char **argv)
{
    static struct err err;
    struct arguments arguments = {
        .match = "TRUE", .format = "txt", .output = "", .message_max = MESSAGE_MAX_DEFAULT};
    const struct tool_option options[] = {
        {"match", TOOL_TEXT, &arguments.match, 0, 0, "message matcher"},
        {"format", TOOL_TEXT, &arguments.format, 0, 0, "txt, json, heka (frames) or count"},
        {"output", TOOL_TEXT, &arguments.output, 0, 0, "file to write; default: standard output"},
        {"tail", TOOL_FLAG, &arguments.tail, 0, 0, "goes on at the end of the file"},
        {"offset", TOOL_NUMBER, &arguments.offset, 0, INT64_MAX, "byte of the file to start at"},
        {"max-message-size", TOOL_NUMBER, &arguments.message_max, 1, INT64_MAX,
         "bytes; a larger message is corrupt data"},
    };
    const struct tool tool = {"heka-cat", "counts, filters, shows and extracts framed messages",
                              " FILE... (- is standard input)", options,
                              sizeof(options) / sizeof(options[0])};
    struct tool_arguments files;
    int status = EXIT_USAGE;
    if (tool_parse(&tool, argc, argv, &files, &err) == 0)
        status = files.is_done ? 0 : check(&arguments, &files, &err);
    if (status == 0 && !files.is_done) {
        catch_signals();
        status = compile_and_run(&arguments, &files, &err);
    }
    err_print(&err, stderr);
    return status;
}
