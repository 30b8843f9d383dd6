from caching import save

save()
