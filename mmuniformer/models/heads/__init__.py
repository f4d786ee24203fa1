from mmuniformer.models.heads.score_token_head import ScoreTokenHead

__all__ = ['ScoreTokenHead']
