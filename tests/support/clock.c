/* Clocks of a program that is started with this library preloaded: their pace, and steps of the wall clock.
 *
 * The file in OPSRUN_TEST_CLOCK holds the numbers below; the test changes them while the program runs. Every program that
 * maps the file sees the same time. Waits with a limit take as much less time as the clocks run faster. `nanosleep` is
 * left alone: SQLite waits with it for a lock, which takes real time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t anchor; /* the real monotonic clock when the test began, in nanoseconds, as all of these */
    int64_t rate;   /* how much faster than the real one every clock runs */
    int64_t wall;   /* the wall clock when the test began */
    int64_t shift;  /* what was added to the wall clock since */
    int64_t frozen; /* where the wall clock stands; 0 while it runs */
};

static const volatile struct control *control;
static int (*real_gettime)(clockid_t, struct timespec *);
static long (*real_syscall)(long, ...);

static void set_up(void) __attribute__((constructor));
static void set_up(void) {
    if (real_syscall) return;
    real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    const char *path = getenv("OPSRUN_TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *map = mmap(0, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) control = map;
}

#define SECOND 1000000000L

static int64_t nanos(const struct timespec *t) { return t->tv_sec * SECOND + t->tv_nsec; }

static struct timespec of_nanos(int64_t n) {
    struct timespec t = {n / SECOND, n % SECOND};
    if (t.tv_nsec < 0) t.tv_sec--, t.tv_nsec += SECOND;
    return t;
}

static int64_t real(clockid_t clock) {
    struct timespec t = {0, 0};
    set_up();
    real_gettime(clock, &t);
    return nanos(&t);
}

static int64_t passed(void) { return (real(CLOCK_MONOTONIC) - control->anchor) * control->rate; }

static int64_t wall(void) {
    int64_t frozen = control->frozen;
    return frozen ? frozen : control->wall + passed() + control->shift;
}

/* A length of time, as it really passes: never none at all. */
static struct timespec shorter(const struct timespec *t) {
    int64_t n = nanos(t);
    return of_nanos(n > 0 && n < control->rate ? 1 : n / control->rate);
}

/* A moment of the monotonic clock, as the real one has it. */
static struct timespec really(const struct timespec *t) {
    return of_nanos(control->anchor + (nanos(t) - control->anchor) / control->rate);
}

int clock_gettime(clockid_t clock, struct timespec *t) {
    set_up();
    if (!control) return real_gettime(clock, t);
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE: *t = of_nanos(wall()); return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW: *t = of_nanos(control->anchor + passed()); return 0;
    case CLOCK_BOOTTIME: {
        int64_t asleep = real(CLOCK_BOOTTIME) - real(CLOCK_MONOTONIC);
        *t = of_nanos(control->anchor + passed() + asleep);
        return 0;
    }
    default: return real_gettime(clock, t);
    }
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *want, struct timespec *left) {
    set_up();
    struct timespec t = *want;
    if (control) t = flags & TIMER_ABSTIME ? really(want) : shorter(want);
    return real_syscall(SYS_clock_nanosleep, clock, flags, &t, left) < 0 ? errno : 0;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *limit, const sigset_t *mask) {
    set_up();
    struct timespec t;
    if (limit) t = control ? shorter(limit) : *limit;
    return real_syscall(SYS_ppoll, fds, count, limit ? &t : 0, mask, 8L);
}

int poll(struct pollfd *fds, nfds_t count, int limit) {
    struct timespec t = of_nanos(limit * (int64_t)1000000);
    return ppoll(fds, count, limit < 0 ? 0 : &t, 0);
}

static int less(int limit) {
    set_up();
    if (!control || limit <= 0) return limit;
    return (limit + control->rate - 1) / control->rate;
}

int epoll_wait(int fd, struct epoll_event *events, int count, int limit) {
    return real_syscall(SYS_epoll_pwait, fd, events, (long)count, (long)less(limit), (void *)0, 8L);
}

int epoll_pwait(int fd, struct epoll_event *events, int count, int limit, const sigset_t *mask) {
    return real_syscall(SYS_epoll_pwait, fd, events, (long)count, (long)less(limit), mask, 8L);
}

long syscall(long number, ...) {
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    set_up();
    struct timespec t;
    if (control && number == SYS_futex && a[3]) {
        int how = (int)a[1] & FUTEX_CMD_MASK, by_wall = (int)a[1] & FUTEX_CLOCK_REALTIME;
        if (how == FUTEX_WAIT || (how == FUTEX_WAIT_BITSET && !by_wall)) {
            t = how == FUTEX_WAIT ? shorter((struct timespec *)a[3]) : really((struct timespec *)a[3]);
            a[3] = (long)&t;
        }
    }
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
