/* SPDX-License-Identifier: MPL-2.0 */
#include "control/commands/selftest_command.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/admin.h"
#include "control/config/option.h"
#include "control/config/start_check.h"
#include "control/plan_writer.h"
#include "control/run_dir.h"
#include "control/setup.h"
#include "core/check.h"
#include "core/paths.h"
#include "stats/name_hash.h"

enum { PATH_SIZE = 1024, FILE_PATH_SIZE = PATH_SIZE + 32, DIGEST_BYTES = 32, EXIT_USAGE = 2 };

struct command {
    const char *config, *run_dir, *traffic, *port;
    double seconds, precision, loss, rate; /* precision and loss: shares */
    bool has_seconds, json, help;
};

/* ---- arguments ---- */

static void print_help(FILE *out)
{
    fputs("hekad selftest: how fast this machine is with a configuration, without loss\n\n"
          "  -config PATH      default /etc/hekad.toml\n"
          "  -run-dir DIR      of the hekad that must not run meanwhile; default: as configured\n"
          "  -seconds S        measured in each trial, 0.05 to 60 (2); with -port: at most, to\n"
          "                    86400 (600)\n"
          "  -precision P      of the rate, 0.1% to 50% (1%)\n"
          "  -loss P           that is allowed, 0% to 100% (0%)\n"
          "  -traffic WHAT     auto, statsd (packed), statsd-single (64-byte frames), text, or a\n"
          "                    pcap file; auto: for the first statsd listener, else a text one\n"
          "  -rate N           no more than N packets/s\n"
          "  -port NAME        the real port of that name: whoever sends is somebody else\n"
          "  -json             one JSON object at the end\n\n"
          "Ports become vhost sockets that a generator of our own feeds; no output is opened, and\n"
          "nothing of base_dir is used. Exit status: 0 certified, 1 not, 2 wrong options.\n",
          out);
}

struct number_option {
    const char *name;
    double *value;
    double min, max, unit; /* unit 0.01: percent */
};

static int set_number(const struct number_option *option, const char *text, struct err *err)
{
    char *end;
    double value = strtod(text, &end);
    end += *end == '%' && option->unit < 1;
    if (end != text && *end == '\0' && isfinite(value) && value >= option->min &&
        value <= option->max) {
        *option->value = value * option->unit;
        return 0;
    }
    return err_add(err, "-%s: found '%s', allowed %g to %g%s", option->name, text, option->min,
                   option->max, option->unit < 1 ? " percent" : "");
}

/* 1: there is no such option. */
static int set_value(struct command *command, const char *name, const char *value, struct err *err)
{
    const struct {
        const char *name, **text;
    } texts[] = {
        {"config", &command->config},
        {"run-dir", &command->run_dir},
        {"traffic", &command->traffic},
        {"port", &command->port},
    };
    const struct number_option numbers[] = {
        {"seconds", &command->seconds, 0.05, 86400, 1},
        {"precision", &command->precision, 0.1, 50, 0.01},
        {"loss", &command->loss, 0, 100, 0.01},
        {"rate", &command->rate, 1, 1e9, 1},
    };
    command->has_seconds |= strcmp(name, "seconds") == 0;
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++)
        if (strcmp(texts[i].name, name) == 0) {
            *texts[i].text = value;
            return 0;
        }
    for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++)
        if (strcmp(numbers[i].name, name) == 0)
            return set_number(&numbers[i], value, err);
    return 1;
}

static int parse_one(struct command *command, int count, char **arguments, int *at, struct err *err)
{
    static const char *const values[] = {"config",  "run-dir",   "traffic", "port",
                                         "seconds", "precision", "loss",    "rate"};
    const char *text = arguments[*at], *value;
    if (text[0] != '-')
        return err_add(err, "argument '%s' is not understood; see hekad selftest -help", text);
    if (option_is(text, "json", &value) || option_is(text, "help", &value)) {
        bool is_on = value == NULL || strcmp(value, "true") == 0;
        *(option_is(text, "json", &value) ? &command->json : &command->help) = is_on;
        return 0;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(values); i++) {
        if (!option_is(text, values[i], &value))
            continue;
        if (value == NULL && ++*at < count)
            value = arguments[*at];
        if (value == NULL || value[0] == '\0')
            return err_add(err, "-%s needs a value; see hekad selftest -help", values[i]);
        return set_value(command, values[i], value, err);
    }
    return err_add(err, "option '%s' is not known; see hekad selftest -help", text);
}

static int parse(struct command *command, int count, char **arguments, struct err *err)
{
    static const double watch_s = 600, trial_s_max = 60;
    int rc = 0;
    for (int at = 0; at < count && rc == 0; at++)
        rc = parse_one(command, count, arguments, &at, err);
    bool is_watch = command->port[0] != '\0';
    if (rc == 0 && is_watch && !command->has_seconds)
        command->seconds = watch_s;
    if (rc == 0 && is_watch && (strcmp(command->traffic, "auto") != 0 || command->rate > 0))
        return err_add(err, "-port: somebody else sends; -traffic and -rate go without it");
    if (rc == 0 && !is_watch && command->seconds > trial_s_max)
        return err_add(err, "-seconds: found '%g', allowed 0.05 to %g", command->seconds,
                       trial_s_max);
    return rc;
}

/* ---- what is in the way ---- */

static int check_idle(const struct setup *setup, struct err *err)
{
    struct run_dir dir = {0};
    struct err ignored = {0};
    char path[FILE_PATH_SIZE];
    if ((size_t)snprintf(dir.path, sizeof(dir.path), "%s", setup->run_dir) >= sizeof(dir.path))
        return err_add(err, "%s: the path is too long", setup->run_dir);
    snprintf(path, sizeof(path), "%s/hekad.sock", setup->run_dir);
    json_t *status = admin_ask(path, "status", false, &ignored);
    json_decref(status);
    if (status != NULL)
        return err_add(err, "%s: a hekad runs there; stop it first (hekad stop)", setup->run_dir);
    if (access(setup->run_dir, F_OK) == 0 && run_dir_has_dataplane(&dir))
        return err_add(err, "%s: a data plane runs there; stop it first", setup->run_dir);
    return 0;
}

/* As -check; only what is wrong is said. */
static int check_start(const struct command *command, struct err *err)
{
    const struct start_check_config config = {
        .config_path = command->config,
        .run_dir = command->run_dir,
    };
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    int rc = start_check(&config, out, err);
    fclose(out);
    free(text);
    return rc;
}

/* ---- the request ---- */

static int add_file(EVP_MD_CTX *context, const char *path)
{
    char bytes[4096];
    size_t size;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -errno;
    while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0)
        EVP_DigestUpdate(context, bytes, size);
    fclose(file);
    return 0;
}

/* SHA-256 of the configuration's texts in their order, and of the core map. */
static void digest_of(const struct setup *setup, char digest[2 * DIGEST_BYTES + 1])
{
    const struct config_files *files = setup->config->files;
    unsigned char bytes[DIGEST_BYTES] = {0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    for (unsigned i = 0; i < files->count; i++)
        add_file(context, files->files[i].path);
    add_file(context, setup->config->core_map_path);
    EVP_DigestFinal_ex(context, bytes, NULL);
    EVP_MD_CTX_free(context);
    for (unsigned i = 0; i < DIGEST_BYTES; i++)
        snprintf(digest + 2 * (size_t)i, 3, "%02x", bytes[i]);
}

/* The resolved one. */
static json_t *core_map_json(const struct setup *setup)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out != NULL);
    core_map_print(setup->core_map, out);
    fclose(out);
    json_t *object = json_loads(text, 0, NULL);
    free(text);
    return object;
}

static json_t *plan_json(const struct setup *setup)
{
    char *text = plan_writer_text(setup->instances, 1, NULL);
    json_t *object = text != NULL ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return object;
}

static int write_request(const struct command *command, const struct setup *setup, const char *path,
                         struct err *err)
{
    char digest[2 * DIGEST_BYTES + 1];
    digest_of(setup, digest);
    json_t *request = json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:{s:f, s:f, s:f, s:f, s:s, s:s, s:b}}", "config",
        command->config, "digest", digest, "program", setup->program, "profile_dir",
        setup->profile_dir, "core_map", core_map_json(setup), "plan", plan_json(setup), "options",
        "seconds", command->seconds, "precision", command->precision, "loss", command->loss, "rate",
        command->rate, "traffic", command->traffic, "port", command->port, "json", command->json);
    int rc = request != NULL ? json_dump_file(request, path, JSON_INDENT(2)) : -1;
    json_decref(request);
    return rc == 0 ? 0 : err_add(err, "%s: cannot be written", path);
}

static int become_selftest(const struct command *command, const struct setup *setup,
                           struct err *err)
{
    const char *base = getenv("TMPDIR");
    char dir[PATH_SIZE], request[FILE_PATH_SIZE], program[FILE_PATH_SIZE], bin_dir[PATH_SIZE] = "";
    snprintf(dir, sizeof(dir), "%s/hekad-selftest-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(dir) == NULL)
        return err_add(err, "%s: %s", dir, strerror(errno));
    snprintf(request, sizeof(request), "%s/request.json", dir);
    paths_program_dir(bin_dir, sizeof(bin_dir));
    snprintf(program, sizeof(program), "%s/heka-selftest", bin_dir);
    char *const words[] = {program, dir, NULL};
    if (write_request(command, setup, request, err) == 0) {
        fflush(NULL);
        execv(program, words);
        err_add(err, "%s: %s", program, strerror(errno));
    }
    unlink(request);
    rmdir(dir);
    return -1;
}

int selftest_command(int count, char **arguments, FILE *out, struct err *err)
{
    struct command command = {.config = "/etc/hekad.toml",
                              .traffic = "auto",
                              .port = "",
                              .seconds = 2,
                              .precision = 0.01};
    struct setup *setup = NULL;
    static struct err notes;
    if (parse(&command, count, arguments, err) != 0)
        return EXIT_USAGE;
    if (command.help) {
        print_help(out);
        return 0;
    }
    name_key_seed();
    if (setup_load(command.config, command.run_dir, &setup, err, &notes) != 0)
        return 1;
    int rc = setup->core_map != NULL
                 ? check_idle(setup, err)
                 : err_add(err, "%s: there is no data plane ([dataplane] core_map) to be tested",
                           command.config);
    if (rc == 0)
        rc = check_start(&command, err);
    if (rc == 0)
        rc = become_selftest(&command, setup, err);
    setup_put(setup);
    return rc != 0;
}
