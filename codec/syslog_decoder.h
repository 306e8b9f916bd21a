/* SPDX-License-Identifier: MPL-2.0
 *
 * syslog_decoder.h - options of SyslogDecoder, for those who set them without a schema (bench).
 */
#ifndef CODEC_SYSLOG_DECODER_H
#define CODEC_SYSLOG_DECODER_H

#include <stdbool.h>

struct syslog_decoder_config {
    const char *tz;
    const char *message_type;
    bool hostname_keep;
    bool rawmsg_keep;
    bool log_errors;
};

#endif
