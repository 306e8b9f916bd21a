/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/support/tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "tun: %s: %s\n", what, strerror(errno));
    exit(2);
}

struct address6 { /* struct in6_ifreq of linux/ipv6.h, which clashes with netinet/in.h */
    struct in6_addr address;
    uint32_t prefix;
    int index;
};

static void set_flag(int fd, struct ifreq *request)
{
    if (ioctl(fd, SIOCGIFFLAGS, request) != 0)
        die("SIOCGIFFLAGS");
    request->ifr_flags |= IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, request) != 0)
        die("SIOCSIFFLAGS");
}

static void set_ipv4(int fd, struct ifreq *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    inet_pton(AF_INET, TUN_KERNEL4, &address.sin_addr);
    memcpy(&request->ifr_addr, &address, sizeof(address));
    if (ioctl(fd, SIOCSIFADDR, request) != 0)
        die("SIOCSIFADDR");
    inet_pton(AF_INET, "255.255.0.0", &address.sin_addr);
    memcpy(&request->ifr_netmask, &address, sizeof(address));
    if (ioctl(fd, SIOCSIFNETMASK, request) != 0)
        die("SIOCSIFNETMASK");
}

/* The address is to be used at once. */
static void skip_address_detection(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_dad", name);
    FILE *file = fopen(path, "we");
    if (file == NULL || fputs("0", file) < 0 || fclose(file) != 0)
        die(path);
}

static void set_ipv6(struct ifreq *request)
{
    skip_address_detection(request->ifr_name);
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    struct address6 address = {.prefix = 64};
    if (fd < 0 || ioctl(fd, SIOCGIFINDEX, request) != 0)
        die("SIOCGIFINDEX");
    address.index = request->ifr_ifindex;
    inet_pton(AF_INET6, TUN_KERNEL6, &address.address);
    if (ioctl(fd, SIOCSIFADDR, &address) != 0)
        die("SIOCSIFADDR (IPv6)");
    /* It is tentative for a moment nevertheless. */
    struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_addr = address.address};
    for (unsigned i = 0; bind(fd, (const void *)&own, sizeof(own)) != 0; i++) {
        if (i == 5000)
            die("bind (IPv6)");
        poll(NULL, 0, 1);
    }
    close(fd);
}

int tun_open(void)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK), fd = socket(AF_INET, SOCK_DGRAM, 0);
    snprintf(request.ifr_name, sizeof(request.ifr_name), "heka%%d");
    if (tun < 0 || fd < 0 || ioctl(tun, TUNSETIFF, &request) != 0)
        die("/dev/net/tun");
    int queue = 10000;
    struct ifreq length = request;
    length.ifr_qlen = queue;
    if (ioctl(fd, SIOCSIFTXQLEN, &length) != 0)
        die("SIOCSIFTXQLEN");
    set_ipv4(fd, &request);
    set_flag(fd, &request);
    set_ipv6(&request);
    close(fd);
    return tun;
}
