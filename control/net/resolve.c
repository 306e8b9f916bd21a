/* SPDX-License-Identifier: MPL-2.0 */
#include "control/net/resolve.h"

#include "core/address.h"

int resolve_text(const char *text, const struct addrinfo *hints, struct addrinfo **list)
{
    struct address_parts parts;
    *list = NULL;
    if (address_split(text, &parts) != 0)
        return EAI_NONAME;
    return getaddrinfo(parts.host[0] != '\0' ? parts.host : NULL, parts.port, hints, list);
}

const struct addrinfo *resolve_prefer_ip4(const struct addrinfo *list)
{
    for (const struct addrinfo *to = list; to != NULL; to = to->ai_next)
        if (to->ai_family == AF_INET)
            return to;
    return list;
}
