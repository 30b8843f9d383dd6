from caching import restore

restore()
