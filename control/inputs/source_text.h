/* SPDX-License-Identifier: MPL-2.0
 *
 * source_text.h - a sender's IP address as text.
 *
 * Place:   inputs that tell who sent something: UdpInput, HttpListenInput.
 * Threads: no state.
 */
#ifndef CONTROL_INPUTS_SOURCE_TEXT_H
#define CONTROL_INPUTS_SOURCE_TEXT_H

#include <arpa/inet.h>
#include <stdbool.h>

/* Without port; an IPv4 address in IPv6 as IPv4; "" for other families and NULL. */
static inline void source_text(const struct sockaddr *source, char text[INET6_ADDRSTRLEN])
{
    text[0] = '\0';
    if (source != NULL && source->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)source;
        inet_ntop(AF_INET, &in->sin_addr, text, INET6_ADDRSTRLEN);
    } else if (source != NULL && source->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)source;
        bool is_ip4 = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        inet_ntop(is_ip4 ? AF_INET : AF_INET6, in6->sin6_addr.s6_addr + (is_ip4 ? 12 : 0), text,
                  INET6_ADDRSTRLEN);
    }
}

#endif
