"""Better-PaaS: a self-hosted platform that turns one server into your own Heroku."""

__version__ = "0.1.0"
