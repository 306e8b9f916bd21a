/* SPDX-License-Identifier: MPL-2.0
 *
 * number.h - doubles as the shortest text that reads back as the same double.
 *
 * Place:   RstEncoder, message_json.c; formats that Heka wrote with Go's 'g' and precision -1.
 * Threads: any. The locale's decimal point has to be '.' (no program here calls setlocale()).
 * Source:  Go's strconv.FormatFloat(x, 'g', -1, 64).
 */
#ifndef CODEC_NUMBER_H
#define CODEC_NUMBER_H

#include <stddef.h>

enum { NUMBER_TEXT_SIZE = 32 };

/* Writes the text with its NUL and returns its length. The exponent form ("1e+06", "1.5e-05") is
 * used below 1e-4 and from 1e6 on; "+Inf", "-Inf", "NaN", "-0". */
size_t number_format_double(double value, char text[NUMBER_TEXT_SIZE]);

#endif
