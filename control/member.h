/* SPDX-License-Identifier: MPL-2.0
 *
 * member.h - members of a JSON object for those who print them: absent ones are 0 and "".
 *
 * Place:   what shows a status (status.c, talkers_json.c, rule_report.c, commands/top_command.c).
 * Threads: no state.
 * Memory:  texts are borrowed from the object.
 */
#ifndef CONTROL_MEMBER_H
#define CONTROL_MEMBER_H

#include <jansson.h>

static inline long long member_integer(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static inline const char *member_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

#endif
