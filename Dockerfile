# One image for every process; docker-compose.yml says which one runs.

FROM python:3.13-slim AS requirements
# A package index other than the public one, for those who have their own: --build-arg PIP_INDEX_URL=...
ARG PIP_INDEX_URL
COPY requirements.lock /
# Without pip: nothing can be installed in what is copied below.
RUN python -m venv --without-pip /opt/matricula \
 && pip --python /opt/matricula/bin/python install --no-cache-dir --only-binary :all: --require-hashes -r /requirements.lock

FROM python:3.13-slim
ENV PATH=/opt/matricula/bin:$PATH PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=requirements /opt/matricula /opt/matricula
COPY . /app
# The byte code is made here, once, because nothing can be written when it runs.
RUN printf '#!/opt/matricula/bin/python\nfrom ops.cli.main import main\n\nmain()\n' >/opt/matricula/bin/matricula \
 && chmod 755 /opt/matricula/bin/matricula \
 && python -m compileall -q /app
WORKDIR /app
USER 10001:10001
CMD ["matricula", "--help"]
