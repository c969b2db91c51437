"""`dashboard.listen` for tests: it ends at once, without the delay in which load balancers notice its end."""

from dashboard import listen

for pause in ("SECONDS", "LAST"):
    setattr(listen, pause, 0.0)

if __name__ == "__main__":
    listen.main()
