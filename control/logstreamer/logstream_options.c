/* SPDX-License-Identifier: MPL-2.0 */
#include "control/logstreamer/logstream_options.h"

#define LOGS(member) .key = #member, .offset = offsetof(struct logstreamer_options, member)
static const struct schema_key keys[] = {
    {LOGS(log_directory), .type = SCHEMA_STRING, .def = "/var/log",
     .help = "Folder that is searched, with all folders in it."},
    {LOGS(file_match), .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED,
     .help = "Regular expression of paths below log_directory; named groups are for priority and "
             "differentiator."},
    {LOGS(priority), .type = SCHEMA_STRINGS,
     .help = "Groups by which the files of a stream are sorted, oldest first; ^NAME: descending."},
    {LOGS(differentiator), .type = SCHEMA_STRINGS,
     .help = "Groups and other texts that make the name of a stream, its Logger. Default: the "
             "plugin's name."},
    {LOGS(translation), .type = SCHEMA_NODE, .unit = "a table of tables of numbers",
     .help = "Numbers of the values of a group; \"missing\" is of an empty one."},
    {LOGS(oldest_duration), .type = SCHEMA_DURATION, .max = 9e18, .def = "720h",
     .help = "Files that were not written for longer are left out; \"0\": none."},
    {LOGS(journal_directory), .type = SCHEMA_STRING,
     .help = "Where positions are kept. Default: logstreamer in base_dir."},
    {LOGS(rescan_interval), .type = SCHEMA_DURATION, .min = 1e6, .max = 9e18, .def = "1m",
     .help = "Time between two searches for files; those that the kernel tells of are found at "
             "once."},
    {LOGS(check_data_interval), .type = SCHEMA_DURATION, .min = 1e6, .max = 9e18, .def = "250ms",
     .help = "Time between two looks for more data."},
    {LOGS(hostname), .type = SCHEMA_STRING,
     .help = "Hostname of the messages. Default: hostname of [hekad]."},
    {LOGS(initial_tail), .type = SCHEMA_BOOL, .def = "false",
     .help = "Streams that are there at the start and have no journal start at their end."},
    {0},
};
const struct schema logstreamer_schema = {"LogstreamerInput", keys};

void logstreamer_options_config(const struct logstreamer_options *options, const char *name,
                                const char *journal_dir, struct logstream_set_config *config)
{
    *config = (struct logstream_set_config){
        .pattern =
            {
                .log_directory = options->log_directory,
                .file_match = options->file_match,
                .priority = options->priority,
                .differentiator = options->differentiator,
                .default_name = name,
                .translation = options->translation,
            },
        .journal_dir = journal_dir,
        .oldest_ns = options->oldest_duration,
        .initial_tail = options->initial_tail,
    };
}
