FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/glyphstream
COPY constraints.txt pyproject.toml README.md ./
COPY schemas ./schemas
COPY inference ./inference
COPY streams ./streams
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/glyphstream/bin/pip install --constraint constraints.txt .

FROM python:3.11-slim
# What skia links against; it draws without a display.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libexpat1 libgl1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home glyphstream \
    # A new named volume takes over the owner of the folder it is mounted on.
    && install --directory --owner=glyphstream --group=glyphstream /var/lib/glyphstream/assets \
        /var/lib/glyphstream/ledger
COPY --from=build /opt/glyphstream /opt/glyphstream
ENV PATH=/opt/glyphstream/bin:$PATH PYTHONUNBUFFERED=1
USER glyphstream
WORKDIR /home/glyphstream
ENTRYPOINT ["glyphstream"]
CMD ["run"]
