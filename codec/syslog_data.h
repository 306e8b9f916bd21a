/* SPDX-License-Identifier: MPL-2.0
 *
 * syslog_data.h - structured data of RFC 5424: where it ends, and as fields.
 *
 * Place:   syslog_parse.c, syslog_decoder.c.
 * Threads: any, no state.
 * Memory:  nothing allocates.
 * Failure: syslog_data_take() returns false for what is no structured data; fields that find no
 *          room make the builder fail.
 * Source:  RFC 5424 section 6.3. Beyond it, names may be of any length up to SYSLOG_NAME_MAX with
 *          their ID, there may be more spaces than one, and a "]" in a value needs no backslash.
 */
#ifndef CODEC_SYSLOG_DATA_H
#define CODEC_SYSLOG_DATA_H

#include "codec/syslog_text.h"

enum { SYSLOG_NAME_MAX = 255 }; /* "ID.NAME" */

/* One element or more at the place; a space or the end has to follow. */
bool syslog_data_take(struct syslog_text *text, struct msg_slice *data);

/* A field "ID.NAME" for each parameter, and an empty field "ID" for an element without any. `data`
 * is what syslog_data_take() found, or empty. */
void syslog_data_write(struct msg_slice data, struct msg_builder *builder);

#endif
