# stemforge with CPU builds of torch, for a user without rights:
#   docker build -t stemforge .
#   docker run --rm -v "$PWD:/work" stemforge infer atoms my-image.tif
#   docker run --rm -p 127.0.0.1:8642:8642 -v "$PWD:/work" stemforge app --host 0.0.0.0 --no-browser
FROM python:3.12-slim AS build
COPY . /source
# uv takes torch and torchvision from PyTorch's CPU builds and everything else from where pip does.
RUN pip install --no-cache-dir uv \
    && python -m venv /opt/stemforge \
    && uv pip install --no-cache --python /opt/stemforge/bin/python --torch-backend cpu "/source[app]"

FROM python:3.12-slim
COPY --from=build /opt/stemforge /opt/stemforge
RUN useradd --create-home --uid 1000 stemforge && mkdir /work && chown stemforge /work
USER stemforge
ENV PATH=/opt/stemforge/bin:$PATH
WORKDIR /work
VOLUME /work
EXPOSE 8642
ENTRYPOINT ["stemforge"]
CMD ["--help"]
