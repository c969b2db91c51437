"""`dashboard.listen`, which does not wait at its end until load balancers have noticed."""

from dashboard import listen

for pause in ("SECONDS", "LAST"):
    setattr(listen, pause, 0.0)

if __name__ == "__main__":
    listen.main()
