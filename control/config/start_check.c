/* SPDX-License-Identifier: MPL-2.0 */
#include "control/config/start_check.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/cpus.h"
#include "control/folder.h"
#include "control/plugins/input_instances.h"
#include "control/plan_writer.h"
#include "control/rule_store.h"
#include "control/sandbox/sandbox_home.h"
#include "control/sandbox/sandbox_pool.h"
#include "control/setup.h"

enum { PATH_SIZE = 1024, TEXT_SIZE = ERR_TEXT_SIZE };

/* ---- a hekad that runs ---- */

static bool runs_now(const struct setup *setup)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/hekad.sock", setup->run_dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool runs = len > 0 && (size_t)len < sizeof(address.sun_path) &&
                connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return runs;
}

static int check_pid_file(const struct setup *setup, bool is_running, struct err *err)
{
    const char *path = setup->config->globals.pid_file;
    char folder[PATH_SIZE];
    int pid = 0;
    if (path == NULL || path[0] == '\0')
        return 0;
    if (folder_of(path, folder, sizeof(folder)) != 0)
        return err_add(err, "pid_file: the path is too long");
    if (access(folder, F_OK) != 0)
        return err_add(err, "pid_file %s: %s", path, strerror(errno));
    if (folder_check(folder, "pid_file", err) != 0)
        return -1;
    FILE *file = fopen(path, "r");
    bool has_pid = file != NULL && fscanf(file, "%d", &pid) == 1;
    if (file != NULL)
        fclose(file);
    if (has_pid && pid > 0 && !is_running && kill(pid, 0) == 0)
        return err_add(err, "pid_file %s: process %d of it lives", path, pid);
    return 0;
}

/* ---- the machine that the core map wants ---- */

static int check_device(const struct core_map_port *port, struct err *err, struct err *notes)
{
    const struct nic_profile *profile = port->profile;
    char path[PATH_SIZE];
    if (!profile->device_required || port->device == NULL)
        return 0;
    if (profile->bus == NIC_PCI) {
        snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", port->device);
        if (access(path, F_OK) != 0)
            return err_add(err, "core map: port '%s': there is no PCI device %s", port->name,
                           port->device);
    } else if (strstr(profile->eal_device, "iface={device}") != NULL &&
               strchr(port->device, '/') == NULL) {
        snprintf(path, sizeof(path), "/sys/class/net/%s", port->device);
        if (access(path, F_OK) != 0) /* some profiles make it */
            err_add(notes, "core map: port '%s': there is no network interface %s now", port->name,
                    port->device);
    }
    return 0;
}

/* What a running data plane has is not free. */
static int check_pages(const struct core_map *map, bool is_running, struct err *err,
                       struct err *notes)
{
    struct core_map_machine machine;
    core_map_machine_read(&machine);
    if (map->pages != PAGES_HUGE || machine.huge_pages_free_mbytes >= map->memory_mbytes)
        return 0;
    return err_add(is_running ? notes : err,
                   "core map: %u MiB of huge pages are free, %u are needed",
                   machine.huge_pages_free_mbytes, map->memory_mbytes) *
           !is_running;
}

static int check_machine(const struct setup *setup, bool is_running, struct err *err,
                         struct err *notes)
{
    const struct core_map *map = setup->core_map;
    int rc = 0;
    if (map == NULL)
        return 0;
    for (unsigned i = 0; i < map->port_count; i++)
        rc |= check_device(&map->ports[i], err, notes);
    rc |= cpus_check(map, err);
    return check_pages(map, is_running, err, notes) | rc;
}

/* ---- what the start would do ---- */

/* The data plane reads the plan as it would at start. */
static int check_dataplane(const struct setup *setup, struct err *err)
{
    struct dataplane_command command = setup_dataplane_command(setup);
    const char *base = getenv("TMPDIR");
    char dir[PATH_SIZE], plan[PATH_SIZE + 16];
    if (command.program == NULL)
        return 0;
    snprintf(dir, sizeof(dir), "%s/hekad-check-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(dir) == NULL)
        return err_add(err, "%s: %s", dir, strerror(errno));
    snprintf(plan, sizeof(plan), "%s/plan.json", dir);
    command.plan = plan;
    int rc = plan_writer_write(setup->instances, 1, plan, err);
    if (rc == 0)
        rc = dataplane_process_check(&command, err);
    unlink(plan);
    rule_store_sweep(dir, NULL);
    rmdir(dir);
    return rc;
}

/* All matchers together. */
static int check_rules(const struct setup *setup, struct err *err)
{
    struct rule_store *rules = NULL;
    int rc = rule_store_open(setup->instances, &rules, err);
    rule_store_put(rules);
    return rc;
}

/* What is in use now is in the way, unless it is our own hekad's. */
static int check_addresses(const struct setup *setup, bool is_running, struct err *err,
                           struct err *notes)
{
    unsigned before = err->count;
    input_instances_probe(setup->instances, err, is_running ? notes : err);
    return err->count > before ? -1 : 0;
}

static int check_start(const struct setup *setup, struct err *err, struct err *notes)
{
    bool is_running = runs_now(setup);
    int rc = folder_check(setup->config->globals.base_dir, "base_dir", err);
    rc |= folder_check(setup->run_dir, "run directory", err);
    rc |= check_pid_file(setup, is_running, err);
    rc |= check_addresses(setup, is_running, err, notes);
    rc |= check_machine(setup, is_running, err, notes);
    return check_rules(setup, err) != 0 ? -1 : check_dataplane(setup, err) | rc;
}

/* ---- the answer ---- */

/* "FILE:LINE: TEXT", "FILE: TEXT", or only a text. A file's name has no blank before its colon in
 * texts of ours. */
static json_t *place_of(const char *text)
{
    char file[TEXT_SIZE];
    long line = 0;
    size_t len = strcspn(text, ": ");
    const char *rest = text + len;
    if (len == 0 || *rest != ':' || strpbrk(text, "/.") == NULL || strpbrk(text, "/.") >= rest)
        return json_pack("{s:n, s:n, s:s}", "file", "line", "text", text);
    snprintf(file, sizeof(file), "%.*s", (int)len, text);
    if (rest[1] >= '0' && rest[1] <= '9') {
        char *end;
        line = strtol(rest + 1, &end, 10);
        rest = *end == ':' ? end : rest;
    }
    rest += 1 + strspn(rest + 1, " ");
    return json_pack("{s:s, s:o, s:s}", "file", file, "line",
                     line > 0 ? json_integer(line) : json_null(), "text", rest);
}

static json_t *list(const struct err *err)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < err->count && i < ERR_LIST_MAX; i++)
        json_array_append_new(array, place_of(err->texts[i]));
    return array;
}

static void print_json(const struct start_check_config *config, bool is_good, const struct err *err,
                       const struct err *notes, FILE *out)
{
    json_t *object = json_pack("{s:b, s:s, s:o, s:o}", "ok", is_good, "config", config->config_path,
                               "errors", list(err), "notes", list(notes));
    json_dumpf(object, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(object);
}

int start_check(const struct start_check_config *config, FILE *out, struct err *err)
{
    static struct err notes;
    struct setup *setup = NULL;
    notes.count = 0;
    struct sandbox_pool *trials = sandbox_pool_new(NULL, err);
    if (trials != NULL)
        sandbox_pool_set_quiet(trials);
    sandbox_home_set_trials(trials);
    int rc = trials != NULL ? 0 : -1;
    rc |= setup_load(config->config_path, config->run_dir, &setup, err, &notes);
    if (rc == 0)
        rc = check_start(setup, err, &notes);
    setup_put(setup);
    sandbox_home_set_trials(NULL);
    sandbox_pool_free(trials);
    if (config->json) {
        print_json(config, rc == 0, err, &notes, out);
    } else if (rc == 0) {
        err_print(&notes, out);
        fprintf(out, "%s: OK\n", config->config_path);
    }
    return rc == 0 ? 0 : 1;
}
