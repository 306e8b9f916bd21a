/* SPDX-License-Identifier: MPL-2.0
 *
 * dashboard_output.c - DashboardOutput: reports and outputs of sandboxes as files, and a small web
 * server for them.
 *
 * Place:   builtin_outputs. Files: dashboard_files.h; server: control/net/file_server.h.
 * Failure: what is none of its messages ends under a name; files that cannot be written hold
 *          messages back.
 * Source:  Heka 0.11 DashboardOutput.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "control/net/file_server.h"
#include "control/outputs/dashboard_files.h"
#include "control/outputs/outputs.h"

enum { REQUESTS };
static const struct output_counter counters[] = {
    [REQUESTS] = {"requests", "HTTP requests"},
    {NULL, NULL},
};

struct dashboard_options {
    const char *address, *static_directory, *working_directory;
    const struct conf_node *headers;
};

#define DASHBOARD(member) .key = #member, .offset = offsetof(struct dashboard_options, member)
static const struct schema_key keys[] = {
    {DASHBOARD(address), .type = SCHEMA_STRING, .def = ":4352",
     .help = "HOST:PORT of the web server."},
    {DASHBOARD(static_directory), .type = SCHEMA_STRING, .def = "dasher",
     .help = "Folder of the page, below share_dir when it is not absolute."},
    {DASHBOARD(working_directory), .type = SCHEMA_STRING, .def = "dashboard",
     .help = "Folder that is served, below base_dir when it is not absolute; its files are "
             "deleted at start."},
    {DASHBOARD(headers), .type = SCHEMA_NODE, .unit = "a table of lists of texts",
     .help = "Headers of all answers."},
    {0},
};
static const struct schema schema = {"DashboardOutput", keys};

struct dashboard_state {
    struct output_host *host;
    char folder[PATH_MAX], static_folder[PATH_MAX];
    struct http_headers headers;
    struct dashboard_files *files;
    struct file_server *server;
    uint64_t requests; /* counted */
};

static int check(const void *config, struct err *err)
{
    const struct dashboard_options *options = config;
    struct listen_address address;
    int rc = listen_address_parse("tcp", options->address, &address, err);
    return http_headers_check(options->headers, "headers", err) | rc;
}

static int init_parts(struct dashboard_state *dashboard, const struct dashboard_options *options,
                      struct err *err)
{
    struct listen_address address;
    if (listen_address_parse("tcp", options->address, &address, err) != 0 ||
        http_headers_read(&dashboard->headers, options->headers, "headers", err) != 0 ||
        output_host_base_path(dashboard->host, options->working_directory, dashboard->folder,
                              sizeof(dashboard->folder), err) != 0 ||
        output_host_share_path(dashboard->host, options->static_directory, dashboard->static_folder,
                               sizeof(dashboard->static_folder), err) != 0)
        return -1;
    dashboard->files = dashboard_files_new(dashboard->folder, dashboard->static_folder, err);
    if (dashboard->files == NULL)
        return -1;
    dashboard->server = file_server_start(&address, dashboard->folder, &dashboard->headers, err);
    return dashboard->server != NULL ? 0 : -1;
}

static int init(void *state, const void *config, struct output_host *host, struct err *err)
{
    struct dashboard_state *dashboard = state;
    struct err found = {0};
    dashboard->host = host;
    if (init_parts(dashboard, config, &found) == 0)
        return 0;
    for (unsigned i = 0; i < found.count && i < ERR_LIST_MAX; i++)
        err_add(err, "'%s': %s", output_host_name(host), found.texts[i]);
    return -1;
}

static int deliver(void *state, const struct output_item *items, unsigned count)
{
    struct dashboard_state *dashboard = state;
    for (unsigned i = 0; i < count; i++) {
        const char *reason = NULL;
        int rc = dashboard_files_take(dashboard->files, &items[i].message, &reason);
        if (rc < 0 && i > 0)
            return (int)i;
        if (rc < 0)
            return output_host_fail(dashboard->host, rc, "%s: %s", dashboard->folder,
                                    strerror(-rc));
        if (rc == 1)
            output_host_drop(dashboard->host, reason);
    }
    return (int)count;
}

static void timer(void *state, uint64_t now_ns)
{
    struct dashboard_state *dashboard = state;
    uint64_t requests = file_server_requests(dashboard->server);
    (void)now_ns;
    output_host_count(dashboard->host, REQUESTS, requests - dashboard->requests);
    dashboard->requests = requests;
}

static void fini(void *state)
{
    struct dashboard_state *dashboard = state;
    file_server_stop(dashboard->server);
    dashboard->server = NULL;
    dashboard_files_free(dashboard->files);
    dashboard->files = NULL;
    http_headers_fini(&dashboard->headers);
}

const struct output_ops dashboard_output = {
    .plugin = {PLUGIN_ABI, "DashboardOutput", &schema, sizeof(struct dashboard_options),
               sizeof(struct dashboard_state)},
    .default_matcher = "Type == 'heka.all-report' || Type == 'heka.sandbox-terminated' || "
                       "Type == 'heka.sandbox-output'",
    .default_ticker_s = 5,
    .counters = counters,
    .check = check,
    .init = init,
    .deliver = deliver,
    .timer = timer,
    .fini = fini,
};
