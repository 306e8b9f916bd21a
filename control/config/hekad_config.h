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
 * Bounds:  CONFIG_FILES_MAX files, CONFIG_EXTRAS_MAX dynamic sections, CONFIG_SECTIONS_MAX
 *          sections in all.
 * Source:  Heka 0.11: a file, or the *.toml files of a folder in the order of their names.
 */
#ifndef CONTROL_HEKAD_CONFIG_H
#define CONTROL_HEKAD_CONFIG_H

#include "control/config/config_files.h"
#include "core/conf.h"
#include "core/schema.h"

enum { CONFIG_SECTIONS_MAX = 4096, CONFIG_EXTRAS_MAX = 256, CONFIG_EXCLUDED_MAX = 64 };

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
    int64_t report_interval; /* s */
    const char *plugin_dir;  /* NULL: none */
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

struct config_extra { /* a section that a plugin adds while hekad runs (control/dynamic.h) */
    const char *owner, *name, *text;
};

struct config_source {
    struct config_files *files;
    bool are_complete;               /* all of them could be read */
    conf_environment_fn environment; /* serves %ENV[NAME] in files */
    const struct config_extra *extras;
    unsigned extra_count;
    char *const *excluded; /* names of sections that are left out */
    unsigned excluded_count;
};

struct hekad_config {
    struct config_files *files; /* a reference: the texts that it was made from */
    struct conf_doc *docs[CONFIG_FILES_MAX + CONFIG_EXTRAS_MAX];
    unsigned doc_count;
    struct config_section *sections; /* in the order of the text */
    unsigned section_count;
    char *const *excluded; /* while it is made */
    unsigned excluded_count;
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
/* The same from texts that have been read, with dynamic sections of owners that are in them. */
int hekad_config_make(const struct config_source *source, struct hekad_config **out,
                      struct err *err, struct err *notes);
void hekad_config_free(struct hekad_config *config); /* NULL is fine */

/* By exact name; NULL when there is none. */
const struct config_section *hekad_config_find(const struct hekad_config *config, const char *name);

#endif
