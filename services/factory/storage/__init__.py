"""All of Factory's SQL, by topic. Every statement on a tenant's data names the tenant."""
