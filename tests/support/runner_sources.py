"""One model in three languages that misbehaves as its input says."""

from __future__ import annotations

PYTHON = """\
import ctypes, os, pathlib, signal, sys, time
import numpy as np
import pandas as pd


def load_model(directory):
    return pathlib.Path(directory)


def once(model):
    marker = model / "marker"
    if marker.exists():
        return False
    marker.touch()
    return True


class NoText(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def predict(model, rows):
    action, x = rows["action"][0], rows["x"]
    with open(model / "calls", "a") as calls:
        calls.write(action + "\\n")
    if action == "raise":
        raise ValueError("no such store")
    if action == "no text":
        raise NoText
    if action == "loop":
        while True:
            pass
    if action == "exit":
        os._exit(3)
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "exit once" and once(model):
        os._exit(3)
    if action == "sleep once" and once(model):
        time.sleep(100)
    if action == "print":
        print("out " * 500_000)
        print("err " * 500_000, file=sys.stderr)
    if action == "close":
        sys.stdout.close()
        os.close(1)
    if action == "garbage":
        os.write(4, b"garbage" * 100)
    if action == "child":
        os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "100")
        time.sleep(100)
    if action == "daemon":
        os.spawnlp(os.P_NOWAIT, "setsid", "setsid", "sleep", "300")
    if action == "memory":
        np.ones(400_000_000).sum()
    if action == "length":
        return list(x)[1:]
    if action == "type":
        return [str(value) for value in x]
    if action == "object":
        return [[value] for value in x]
    if action == "nan":
        return np.where(x > 1, np.nan, x)
    if action == "infinite":
        return np.where(x > 1, np.inf, x)
    if action == "missing":
        return [None if value > 1 else value for value in x]
    if action == "names":
        return pd.DataFrame({"z": x})
    if action == "extra":
        return pd.DataFrame({"y": x, "z": x})
    if action == "nothing":
        return None
    if action == "table":
        return pd.DataFrame({"y": 2 * x})
    if action == "integers":
        return (2 * x).astype(int)
    return 2 * x
"""

R = """\
load_model <- function(directory) directory

once <- function(model) {
  marker <- file.path(model, "marker")
  !file.exists(marker) && file.create(marker)
}

predict_rows <- function(model, rows) {
  action <- rows$action[1]
  x <- rows$x
  cat(action, "\\n", sep = "", file = file.path(model, "calls"), append = TRUE)
  if (action == "raise") {
    stop("no such store")
  }
  odd <- structure(class = c("odd", "error", "condition"), list(message = NULL))
  if (action == "no text") stop(odd)
  if (action == "loop") while (TRUE) {}
  if (action == "exit") quit("no", 3)
  if (action == "kill") tools::pskill(Sys.getpid(), 9)
  if (action == "exit once" && once(model)) quit("no", 3)
  if (action == "sleep once" && once(model)) Sys.sleep(100)
  if (action == "print") {
    cat(rep("out", 500000), "\\n")
    message(strrep("err ", 500000))
  }
  if (action == "close") closeAllConnections()
  if (action == "garbage") {
    replies <- file("/dev/fd/4", "wb", raw = TRUE)
    writeBin(charToRaw(strrep("garbage", 100)), replies)
    close(replies)
  }
  if (action == "child") {
    system("sleep 100 &")
    Sys.sleep(100)
  }
  if (action == "daemon") system("setsid sleep 300 &")
  if (action == "memory") sum(numeric(4e8) + 1)
  switch(action,
    length = x[-1],
    type = as.character(x),
    object = as.list(x),
    nan = ifelse(x > 1, NaN, x),
    infinite = ifelse(x > 1, Inf, x),
    missing = ifelse(x > 1, NA, x),
    names = data.frame(z = x),
    extra = data.frame(y = x, z = x),
    nothing = NULL,
    table = data.frame(y = 2 * x),
    integers = as.integer(2 * x),
    2 * x
  )
}
"""

JULIA = """\
struct NoText <: Exception end
Base.showerror(::IO, ::NoText) = error("no text")

load_model(directory) = directory

function once(model)
    marker = joinpath(model, "marker")
    isfile(marker) && return false
    touch(marker)
    return true
end

function predict_rows(model, rows)
    action, x = rows.action[1], rows.x
    open(io -> println(io, action), joinpath(model, "calls"), "a")
    if action == "raise"
        error("no such store")
    end
    action == "no text" && throw(NoText())
    if action == "loop"
        while true
        end
    end
    action == "exit" && exit(3)
    action == "kill" && ccall(:kill, Cint, (Cint, Cint), getpid(), 9)
    action == "exit once" && once(model) && exit(3)
    action == "sleep once" && once(model) && sleep(100)
    if action == "print"
        println(repeat("out ", 500_000))
        println(stderr, repeat("err ", 500_000))
    end
    action == "close" && close(stdout)
    if action == "garbage"
        replies = fdio(4)
        write(replies, repeat("garbage", 100))
        flush(replies)
    end
    if action == "child"
        run(`sleep 100`, wait = false)
        sleep(100)
    end
    action == "daemon" && run(`setsid sleep 300`, wait = false)
    action == "memory" && sum(ones(400_000_000))
    action == "length" && return x[2:end]
    action == "type" && return string.(x)
    action == "object" && return [[value] for value in x]
    action == "nan" && return [value > 1 ? NaN : value for value in x]
    action == "infinite" && return [value > 1 ? Inf : value for value in x]
    action == "missing" && return [value > 1 ? missing : value for value in x]
    action == "names" && return (z = x,)
    action == "extra" && return (y = x, z = x)
    action == "nothing" && return nothing
    action == "table" && return (y = 2x,)
    action == "integers" && return Int.(2x)
    return 2x
end
"""

SOURCES = {"python": PYTHON, "r": R, "julia": JULIA}
