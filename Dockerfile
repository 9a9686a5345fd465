# The program in a container: built from its wheel and the pinned packages, run as a user without rights.
FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements.lock .
# The lock has the packages of the extras, too, such as those of the bot.
RUN python -m venv /opt/polybracket \
 && /opt/polybracket/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml setup.py README.md *.py ./
COPY actors actors
COPY bridge bridge
COPY cli cli
COPY config config
COPY phone phone
COPY polybracket polybracket
COPY positions positions
COPY recordings recordings
COPY strategies strategies
COPY venues venues
COPY web web
RUN /opt/polybracket/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --create-home --uid 1000 trader && install -d -o trader -g trader -m 700 /data
COPY --from=build /opt/polybracket /opt/polybracket
COPY config /etc/polybracket
ENV PATH=/opt/polybracket/bin:$PATH PYTHONUNBUFFERED=1
USER trader
# Here is the state of nodes, under state/, and the .env with what is secret.
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGINT
ENTRYPOINT ["polybracket"]
CMD ["--help"]
