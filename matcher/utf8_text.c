/* SPDX-License-Identifier: MPL-2.0 */
#include "matcher/utf8_text.h"

#include <string.h>

/* Length that the lead byte announces (0: not a lead byte) and the bounds of the second byte, which
 * keep out overlong forms, surrogates and what is above U+10FFFF. */
static unsigned lead_len(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Length of the valid character at `bytes`, 0 when there is none. */
static unsigned char_len(const uint8_t *bytes, size_t room)
{
    uint8_t low;
    uint8_t high;
    unsigned len = lead_len(bytes[0], &low, &high);

    if (len <= 1)
        return len;
    if (len > room || bytes[1] < low || bytes[1] > high)
        return 0;
    for (unsigned i = 2; i < len; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    }
    return len;
}

uint32_t utf8_decode(const char *text, size_t size, size_t *at)
{
    static const uint8_t lead_masks[UTF8_MAX + 1] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    const uint8_t *bytes = (const uint8_t *)text + *at;
    unsigned len = char_len(bytes, size - *at);
    uint32_t point = bytes[0] & lead_masks[len];

    if (len == 0) {
        *at += 1;
        return UTF8_INVALID;
    }
    for (unsigned i = 1; i < len; i++)
        point = point << 6 | (bytes[i] & 0x3F);
    *at += len;
    return point;
}

size_t utf8_encode(uint32_t point, char text[UTF8_MAX])
{
    static const uint8_t lead_bits[UTF8_MAX + 1] = {0, 0, 0xC0, 0xE0, 0xF0};
    unsigned len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

    for (unsigned i = len - 1; i > 0; i--) {
        text[i] = (char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    text[0] = (char)(lead_bits[len] | point);
    return len;
}

static uint64_t load_word(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

/* Bytes of ASCII from `at` on, in steps of 8. */
static size_t skip_ascii(const uint8_t *bytes, size_t size, size_t at)
{
    const uint64_t high = 0x8080808080808080u;

    while (size - at >= 32 && !((load_word(bytes + at) | load_word(bytes + at + 8) |
                                 load_word(bytes + at + 16) | load_word(bytes + at + 24)) &
                                high))
        at += 32;
    while (size - at >= 8 && !(load_word(bytes + at) & high))
        at += 8;
    return at;
}

size_t utf8_valid_size(const char *text, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)text;
    size_t at = skip_ascii(bytes, size, 0);

    while (at < size) {
        unsigned len = char_len(bytes + at, size - at);

        if (len == 0)
            return at;
        at += len;
        if (len == 1 && size - at >= 8)
            at = skip_ascii(bytes, size, at);
    }
    return at;
}

size_t utf8_repair(const char *text, size_t size, char *out)
{
    static const char replacement[] = {'\xEF', '\xBF', '\xBD'};
    size_t at = 0;
    size_t used = 0;

    while (at < size) {
        size_t valid = utf8_valid_size(text + at, size - at);

        memcpy(out + used, text + at, valid);
        used += valid;
        at += valid;
        if (at == size)
            break;
        memcpy(out + used, replacement, sizeof replacement);
        used += sizeof replacement;
        at++;
    }
    return used;
}
