/* SPDX-License-Identifier: MPL-2.0
 *
 * hekad_config.h - configuration files to sections: which plugins there are, and the global
 * options.
 *
 * Place:   main.c loads, instances.c gives the sections their meaning. docs/configuration.md.
 * Threads: start-up only; immutable afterwards.
 * Memory:  one struct owns all documents; sections borrow from them.
 * Failure: all errors of all files at once, as FILE:LINE: text; nothing of a bad configuration is
 *          used.
 * Bounds:  CONFIG_FILES_MAX files, CONFIG_SECTIONS_MAX sections.
 * Source:  Heka 0.11: a file, or the *.toml files of a folder in the order of their names.
 */
#ifndef CONTROL_HEKAD_CONFIG_H
#define CONTROL_HEKAD_CONFIG_H

#include "core/conf.h"
#include "core/schema.h"

enum { CONFIG_FILES_MAX = 1024, CONFIG_SECTIONS_MAX = 4096, CONFIG_PATH_SIZE = 1024 };

struct hekad_globals { /* [hekad]; filled from hekad_globals_schema */
    int64_t maxprocs, poolsize, plugin_chansize;
    const char *cpuprof, *memprof;
    int64_t max_message_loops, max_process_inject, max_process_duration, max_timer_inject;
    int64_t max_pack_idle; /* ns */
    const char *base_dir, *share_dir;
    int64_t sample_denominator;
    const char *pid_file;
    const char *hostname;     /* never empty after loading */
    int64_t max_message_size; /* never 0 after loading */
    int64_t log_flags;
    int64_t full_buffer_max_retries;
};
extern const struct schema hekad_globals_schema;

struct dataplane_options { /* [dataplane]; filled from dataplane_options_schema */
    const char *core_map;
    const char *program;     /* NULL: heka-dataplane beside this program */
    const char *profile_dir; /* NULL: see program_profile_dir() */
    const char *run_dir;     /* NULL: the default, see run_dir_default() */
    const char *user;        /* NULL: stay who we are */
};
extern const struct schema dataplane_options_schema;

struct config_section { /* [NAME]: one plugin */
    const char *name;
    const char *type; /* the option `type`, else the name */
    const struct conf_node *node;
    struct conf_doc *doc;
};

struct hekad_config {
    struct conf_doc *docs[CONFIG_FILES_MAX];
    unsigned doc_count;
    struct config_section *sections; /* in the order of the text */
    unsigned section_count;
    struct hekad_globals globals;
    struct dataplane_options dataplane;
    const struct conf_node *globals_node;   /* NULL: no such section */
    const struct conf_node *dataplane_node; /* NULL: no such section */
    struct conf_doc *globals_doc, *dataplane_doc;
    char own_hostname[256];
    char core_map_path[CONFIG_PATH_SIZE]; /* relative to the file that names it, resolved */
};

/* Loads a file or folder. `environment` serves %ENV[NAME]. `notes` (may be NULL) takes remarks
 * that are no errors. 0, or -1 after adding to `err`; *out is set in both cases, unless memory is
 * out, and holds what could be read, so that more errors can be found. */
int hekad_config_load(const char *path, conf_environment_fn environment, struct hekad_config **out,
                      struct err *err, struct err *notes);
void hekad_config_free(struct hekad_config *config); /* NULL is fine */

/* By exact name; NULL when there is none. */
const struct config_section *hekad_config_find(const struct hekad_config *config, const char *name);

#endif
