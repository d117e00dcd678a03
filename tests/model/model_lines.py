"""Whose turn it is to get a share of a rate: the rule as plain Python, for callers who come as soon as they are woken.

Never more than `limit` shares in any period of the length `per`; a line for each key, in which nobody is overtaken; the first of it gets its shares in the
moment in which there is room for them.
"""


class Line:
    """Of one rate and key."""

    def __init__(self, limit, per):
        self.limit, self.per = limit, per
        self.given = []   # (at, amount)
        self.waits = []   # [who, amount, until]

    def spent(self, now):
        return sum(n for at, n in self.given if at > now - self.per)

    def has_room(self, amount, now):
        return self.spent(now) + amount <= self.limit

    def ask(self, who, amount, now, until=None):
        """Whether it is told at once."""
        if not self.waits and self.has_room(amount, now):
            self.given.append((now, amount))
            return True
        if until != now:
            self.waits.append([who, amount, until])
        return False

    def leave(self, who):
        self.waits = [wait for wait in self.waits if wait[0] != who]

    def next_time(self, now):
        """When the first of the line gets its shares, or gives up; None: nobody waits."""
        times = [until for _, _, until in self.waits if until is not None]
        if self.waits:
            amount = self.waits[0][1]
            ends = sorted(at + self.per for at, _ in self.given if at + self.per > now)
            times.append(next(time for time in [now, *ends] if self.has_room(amount, time)))
        return min(times, default=None)

    def told(self, now):
        """Who is told now, and who gives up, in order: a share that is there at the timeout counts."""
        got = []
        while self.waits:
            who, amount, until = self.waits[0]
            if self.has_room(amount, now) and (until is None or now <= until):
                self.given.append((now, amount))
            elif until is None or now < until:
                break
            got.append(who)
            self.waits.pop(0)
        for wait in [wait for wait in self.waits if wait[2] is not None and wait[2] <= now]:
            got.append(wait[0])
            self.waits.remove(wait)
        return got

    def is_exact(self):
        """No period holds more than the limit, as long as that stayed the same."""
        return all(sum(n for at, n in self.given if start <= at < start + self.per) <= self.limit for start, _ in self.given)
