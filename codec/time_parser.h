/* SPDX-License-Identifier: MPL-2.0
 *
 * time_parser.h - timestamps as PayloadRegexDecoder and PayloadXmlDecoder read them.
 *
 * Place:   capture_message.c. The text is tried by timestamp_layout, then by Go's named layouts; a
 *          layout "Epoch", "EpochMilli", "EpochMicro" or "EpochNano" is a number since 1970 and is
 *          the only one.
 * Threads: a parser is immutable and may be shared.
 * Memory:  time_parser_new() allocates, parsing does not.
 * Failure: -1 with texts for a layout or zone that cannot be; -EINVAL for a text that is no time.
 * Source:  Heka 0.11. Without a date the time is today's, with a date but no year it is of the
 *          current year, both in the zone of the timestamp. A time that does not fit into 64 bits
 *          of nanoseconds (1677 to 2262) is refused.
 */
#ifndef CODEC_TIME_PARSER_H
#define CODEC_TIME_PARSER_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct time_parser;

/* `layout`: timestamp_layout, "" for the named ones only. `location`: timestamp_location, what
 * time_zone_load() takes; it holds for times that name no zone. */
int time_parser_new(const char *layout, const char *location, struct time_parser **out,
                    struct err *err);
void time_parser_free(struct time_parser *parser);

/* 0 and nanoseconds since the epoch; 1 when `now_ns` was needed to complete the date; or -EINVAL
 * and `*time_ns` unchanged. */
int time_parser_parse(const struct time_parser *parser, const char *text, size_t len,
                      int64_t now_ns, int64_t *time_ns);

#endif
